r"""Colours in formulas: ``\textcolor{red}{x}``, ``{\color{#06c} x}``, ``\textcolor[RGB]{0,80,160}{x}``, ``\colorbox``.

The converter knows names only and no backgrounds. Another colour, or a background, is given to it as one of a few names
that hardly anybody uses, and becomes what was meant in the finished MathML (see markup.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from frontends.render.formulas.reading import Reader, Unconvertible

# Names of xcolor's dvips list, with the converter's values.
_STAND_INS = {
    "Apricot": "#FFB882",
    "Aquamarine": "#1CBFC1",
    "Bittersweet": "#D04C17",
    "BlueGreen": "#14BCBC",
    "BrickRed": "#C43119",
    "BurntOrange": "#FF8E27",
    "CadetBlue": "#63729D",
    "CarnationPink": "#FC81BC",
}
_CSS_NAMES = {  # common on the web, unknown to xcolor
    "crimson": "#dc143c",
    "coral": "#ff7f50",
    "darkblue": "#00008b",
    "darkgreen": "#006400",
    "darkorange": "#ff8c00",
    "darkred": "#8b0000",
    "forestgreen": "#228b22",
    "gold": "#ffd700",
    "grey": "#808080",
    "indigo": "#4b0082",
    "lightblue": "#add8e6",
    "lightgreen": "#90ee90",
    "lightyellow": "#ffffe0",
    "navy": "#000080",
    "royalblue": "#4169e1",
    "skyblue": "#87ceeb",
    "steelblue": "#4682b4",
    "tomato": "#ff6347",
}
_BASE_NAME = re.compile(r"([A-Za-z]+)(?:!\d+(?:![A-Za-z]+)?)?")

Rewrite = Callable[[str], str]


class Colours:
    """The colours of one formula. `meanings`: a value in the converter's output → (attribute, value)."""

    def __init__(self) -> None:
        self.meanings: dict[str, tuple[str, str]] = {}
        self._names: dict[tuple[str, str], str] = {}

    def text(self, reader: Reader, rewrite: Rewrite) -> str:
        r"""``\textcolor[model]{colour}{formula}``."""
        name = self._name(*_specification(reader))
        return rf"\textcolor{{{name}}}{{{rewrite(reader.argument())}}}"

    def switch(self, reader: Reader) -> str:
        r"""``\color[model]{colour}``: for the rest of the group."""
        return rf"\color{{{self._name(*_specification(reader))}}}"

    def box(self, reader: Reader, rewrite: Rewrite) -> str:
        r"""``\colorbox{colour}{text}``. The text is read as a formula, as MathJax users expect."""
        value = _value(*_specification(reader))
        return self._boxed(value, rewrite(reader.argument()))

    def framed_box(self, reader: Reader, rewrite: Rewrite) -> str:
        r"""``\fcolorbox{frame}{colour}{text}``."""
        _specification(reader)
        value = _value(*_specification(reader))
        return rf"\boxed{{{self._boxed(value, rewrite(reader.argument()))}}}"

    def _boxed(self, value: str, inner: str) -> str:
        return rf"\textcolor{{{self._stand_in('mathbackground', value)}}}{{{inner}}}"

    def _name(self, model: str, colour: str) -> str:
        found = _BASE_NAME.fullmatch(colour)
        if not model and found and found[1] not in _CSS_NAMES and found[1] not in _STAND_INS:
            return found[1]  # the converter refuses a formula with a name that it doesn't know
        return self._stand_in("mathcolor", _value(model, colour))

    def _stand_in(self, attribute: str, value: str) -> str:
        key = (attribute, value)
        if key not in self._names:
            if len(self._names) == len(_STAND_INS):
                raise Unconvertible("too many colours")
            name = list(_STAND_INS)[len(self._names)]
            self._names[key] = name
            self.meanings[_STAND_INS[name]] = key
        return self._names[key]


def _specification(reader: Reader) -> tuple[str, str]:
    model = (reader.optional() or "").strip()
    return model, reader.argument().strip()


def _value(model: str, colour: str) -> str:
    """The colour as ``#rrggbb``."""
    if not model:
        base = _BASE_NAME.fullmatch(colour)
        known = _CSS_NAMES | _STAND_INS | _BASIC
        colour = known.get(base[1], colour) if base else colour
        if found := re.fullmatch(r"\\?#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", colour):
            digits = found[1] if len(found[1]) == 6 else "".join(2 * digit for digit in found[1])
            return f"#{digits.lower()}"
    if model == "HTML" and re.fullmatch(r"[0-9a-fA-F]{6}", colour):
        return f"#{colour.lower()}"
    parts = colour.split(",")
    if model in ("RGB", "rgb", "gray") and all(re.fullmatch(r"\s*\d*\.?\d+\s*", part) for part in parts):
        levels = [float(part) * (1 if model == "RGB" else 255) for part in parts]
        levels = 3 * levels if model == "gray" and len(levels) == 1 else levels
        if len(levels) == 3 and max(levels) <= 255:
            return "#" + "".join(f"{round(level):02x}" for level in levels)
    raise Unconvertible(f"colour {model} {colour}")


_BASIC = {
    "black": "#000000",
    "blue": "#0000ff",
    "cyan": "#00ffff",
    "gray": "#808080",
    "green": "#00ff00",
    "lightgray": "#d3d3d3",
    "lime": "#bfff00",
    "magenta": "#ff00ff",
    "orange": "#ff8000",
    "pink": "#ffc0cb",
    "purple": "#bf0040",
    "red": "#ff0000",
    "white": "#ffffff",
    "yellow": "#ffff00",
}
