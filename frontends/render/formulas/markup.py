"""The converter's MathML as the page shows it: classes in place of styles, and only elements and words we expect.

math-core styles cells with ``style`` attributes and leaves boxes and strikes to a style sheet, since MathML Core has no
elements for them. A model's text must not reach a ``style`` attribute, so ours has classes (view/styles/formulas.css).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element, ParseError, SubElement, fromstring, tostring

from frontends.render.formulas.reading import Unconvertible

_NAMES = (
    "math mrow mi mn mo mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover mmultiscripts "
    "mprescripts mtable mtr mtd mstyle mpadded mphantom"
)
ELEMENTS = frozenset(_NAMES.split())
# Declarations of the converter → our classes.
_CLASSES = {
    "text-align:right": "right",
    "text-align:left": "left",
    "padding-left:0": "joined-left",
    "padding-right:0": "joined-right",
    "padding-top:0": "low",
    "padding-left:1em": "apart",
    "width:100%": "wide",
    "width:50%": "margin",
    "width:7.5%": "indent",
    "margin-left:-0.16666667em": "back-1",
    "margin-left:-0.22222222em": "back-2",
    "margin-left:-0.2777778em": "back-3",
    "padding-left:0.2778em": "relation",
    **{f"border-{side}:0.05em {line} currentcolor": f"{line}-{side}"
       for side in ("top", "right", "left") for line in ("solid", "dashed")},
}  # fmt: skip
_ENCLOSURES = {
    "box": "boxed",
    "updiagonalstrike": "cancel-up",
    "downdiagonalstrike": "cancel-down",
    "updiagonalstrike downdiagonalstrike": "cancel-both",
}
CLASSES = frozenset(
    {*_CLASSES.values(), *_ENCLOSURES.values(), "solid-bottom", "dashed-bottom", "bold", "italic", "mono"}
    | {"overlined", "underlined"}
)
_TEXT_STYLES = {"b": "bold", "i": "italic", "em": "italic", "code": "mono", "tt": "mono"}
_LOW_LINE = "\u0332"  # the converter's line; fonts place it anywhere
_LINES = {"mover": "overlined", "munder": "underlined"}
_COMMAND = re.compile(r"\\[a-zA-Z]")


def finished(converted: str, colours: Mapping[str, tuple[str, str]], *, display: bool) -> str:
    """The MathML to show. Raises :class:`Unconvertible` for an element that we don't know or a command left as text."""
    try:
        tree = fromstring(converted.replace("&ApplyFunction;", "\u2061"))
    except ParseError as err:
        raise Unconvertible("no MathML") from err
    for element in tree.iter():
        _finish(element, colours)
    for table in tree.iter("mtable"):
        _complete_rules(table)
    tree.attrib = {"display": "block" if display else "inline", "dir": "ltr"}
    return tostring(tree, encoding="unicode")


def _finish(element: Element, colours: Mapping[str, tuple[str, str]]) -> None:
    if element.tag == "mtext" and len(element):
        _flatten(element)
    if element.tag == "menclose":
        _enclose(element)
    if element.tag in _LINES and len(element) == 2 and element[1].text == _LOW_LINE:
        _draw_line(element)
    if element.tag not in ELEMENTS or _COMMAND.search(element.text or ""):
        raise Unconvertible(f"unexpected: {element.tag}")
    element.attrib.pop("id", None)
    classes = element.attrib.pop("class", "").split()
    for declaration in _declarations(element.attrib.pop("style", "")):
        name, _, value = declaration.partition(":")
        if name == "color":
            attribute, meant = colours.get(value, ("mathcolor", value))
            element.set(attribute, meant)
        elif declaration in _CLASSES:
            classes.append(_CLASSES[declaration])
    if classes:
        element.set("class", " ".join(dict.fromkeys(classes)))


def _declarations(style: str) -> Iterator[str]:
    for declaration in style.split(";"):
        name, _, value = declaration.partition(":")
        yield f"{name.strip()}:{value.strip()}"


def _flatten(text: Element) -> None:
    r"""``\textbf``: HTML in ``<mtext>`` becomes a class of it."""
    if len(text) != 1 or len(text[0]) or (text.text or "").strip() or (text[0].tail or "").strip():
        raise Unconvertible("mixed text")
    [inner] = text
    if inner.tag not in _TEXT_STYLES:
        raise Unconvertible(f"unexpected: {inner.tag}")
    text.set("class", _TEXT_STYLES[inner.tag])
    text.text = inner.text
    text.remove(inner)


def _enclose(element: Element) -> None:
    kind = _ENCLOSURES.get(element.attrib.pop("notation", ""))
    if kind is None:
        raise Unconvertible("an enclosure")
    for child in list(element):
        if "menclose" in child.get("class", ""):
            element.remove(child)
    element.tag = "mrow"
    element.set("class", kind)


def _draw_line(element: Element) -> None:
    element.set("class", _LINES[element.tag])
    element.remove(element[1])
    element.tag = "mrow"
    element.attrib.pop("accent", None)
    element.attrib.pop("accentunder", None)


def _complete_rules(table: Element) -> None:
    r"""Rules run across all columns; what comes after the last ``\\\\`` is no row, but its rule the lower edge."""
    rows = list(table)
    line = None
    if len(rows) > 1 and len(rows[-1]) == 1 and _is_empty(rows[-1][0]):
        line = _line_above(rows[-1])
        table.remove(rows.pop())
    width = max((len(row) for row in rows), default=0)
    for row in rows:
        while (rule := _line_above(row)) and len(row) < width:
            SubElement(row, "mtd", {"class": f"{rule}-top"})
    if line:
        for cell in rows[-1]:
            cell.set("class", " ".join([*_classes(cell), f"{line}-bottom"]))


def _line_above(row: Element) -> str | None:
    classes = _classes(row[0]) if len(row) else []
    return next((line for line in ("solid", "dashed") if f"{line}-top" in classes), None)


def _is_empty(cell: Element) -> bool:
    return not len(cell) and not (cell.text or "").strip()


def _classes(element: Element) -> list[str]:
    return element.get("class", "").split()
