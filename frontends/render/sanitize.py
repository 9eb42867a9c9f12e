"""HTML sanitizer: the allow-list of tags, attributes and classes, applied as the last step of every rendering."""

from __future__ import annotations

import nh3
from pygments.token import STANDARD_TYPES

_TEXT = {"p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "em", "strong", "s", "a", "blockquote", "ul", "ol", "li"}
_CODE = {"pre", "code", "span", "figure", "figcaption", "button", "div"}
_TABLE = {"table", "thead", "tbody", "tr", "th", "td"}
_MATH_NAMES = (
    "math mrow mi mn mo ms mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover "
    "mmultiscripts mprescripts mtable mtr mtd mstyle mpadded mphantom menclose"
)
_MATH_ATTRIBUTE_NAMES = (
    "display displaystyle scriptlevel mathvariant mathsize stretchy fence separator form lspace rspace minsize "
    "maxsize movablelimits symmetric accent accentunder linethickness width height depth voffset notation "
    "columnalign columnspacing columnlines rowalign rowspacing rowlines frame"
)
_ALIGNMENTS = {"left", "center", "right"}


def _cleaner() -> nh3.Cleaner:
    math = set(_MATH_NAMES.split())
    attributes = {tag: set(_MATH_ATTRIBUTE_NAMES.split()) for tag in math}
    attributes |= {"*": set(), "a": {"href"}, "ol": {"start"}, "button": {"data-copy", "aria-label"}}
    return nh3.Cleaner(
        tags=_TEXT | _CODE | _TABLE | math,
        clean_content_tags={"script", "style"},
        attributes=attributes,
        tag_attribute_values={"button": {"type": {"button"}}},
        set_tag_attribute_values={"a": {"target": "_blank"}},
        allowed_classes={
            "span": set(STANDARD_TYPES.values()) | {"lang"},
            "code": {"highlight", "math"},
            "pre": {"math"},
            "div": {"math", "table"},
            "figure": {"code"},
            "button": {"copy"},
            "th": _ALIGNMENTS,
            "td": _ALIGNMENTS,
        },
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",  # a model's "/logout" must not become a link to our own routes
        link_rel="noopener noreferrer nofollow",
    )


class Sanitizer:
    """The compiled allow-list, shared by all renderings."""

    def __init__(self) -> None:
        self._cleaner = _cleaner()

    def clean(self, html: str) -> str:
        """Return `html` without everything that is not on the allow-list."""
        return self._cleaner.clean(html)
