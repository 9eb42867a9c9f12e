"""HTML sanitizer: the allow-list of tags, attributes and classes, applied as the last step of every rendering."""

from __future__ import annotations

import nh3
from pygments.token import STANDARD_TYPES

from frontends.render.formulas.markup import CLASSES, ELEMENTS
from frontends.render.inline_tags import PAIRED

_TEXT = {"p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "em", "strong", "s", "a", "blockquote", "ul", "ol", "li"}
_TAGS = {"input", *PAIRED}
_WITH_DIRECTION = (
    *("p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "table", "th", "td"),
    *("code", "pre", "figure", "div", "math"),
)
_CODE = {"pre", "code", "span", "figure", "figcaption", "button", "div"}
_TABLE = {"table", "thead", "tbody", "tr", "th", "td"}
_MATH_ATTRIBUTE_NAMES = (
    "display displaystyle scriptlevel mathvariant mathsize mathcolor mathbackground stretchy fence separator form "
    "lspace rspace minsize maxsize movablelimits symmetric accent accentunder linethickness width height depth voffset"
)
_ALIGNMENTS = {"left", "center", "right"}


def _cleaner() -> nh3.Cleaner:
    attributes = {tag: set(_MATH_ATTRIBUTE_NAMES.split()) for tag in ELEMENTS}
    attributes |= {
        "*": set(),
        "a": {"href"},
        "input": {"checked", "disabled"},
        "ol": {"start"},
        "button": {"data-copy", "aria-label"},
    }
    return nh3.Cleaner(
        tags=_TEXT | _TAGS | _CODE | _TABLE | ELEMENTS,
        clean_content_tags={"script", "style"},
        attributes=attributes,
        tag_attribute_values={
            **{tag: {"dir": {"auto", "ltr"}} for tag in _WITH_DIRECTION},
            "button": {"type": {"button"}},
        },
        set_tag_attribute_values={"a": {"target": "_blank"}, "input": {"type": "checkbox"}},
        allowed_classes={
            "span": set(STANDARD_TYPES.values()) | {"lang", "label"},
            "code": {"highlight", "math"},
            "pre": {"math"},
            "div": {"math", "table", "footnote", "note"},
            "li": {"task"},
            "sup": {"footnote"},
            "figure": {"code"},
            "button": {"copy"},
            "th": _ALIGNMENTS,
            "td": _ALIGNMENTS,
            **{tag: set(CLASSES) for tag in ELEMENTS},
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
