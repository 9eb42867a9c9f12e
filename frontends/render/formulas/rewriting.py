r"""What the converter doesn't know, or reads differently than LaTeX, in terms of what it knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from frontends.render.formulas.chemistry import chemistry
from frontends.render.formulas.colours import Colours
from frontends.render.formulas.environments import Environments, arranged
from frontends.render.formulas.reading import Reader, Unconvertible

_DIMENSION = r"\s*-?[\d.]+\s*(?:pt|em|ex|mm|cm|in|mu|pc|bp|sp|\\\w+)\s*"
_ANGLES = {"<": r"\langle ", ">": r"\rangle "}
_UNIT = re.compile(r"[\w/^*.\s·°%μΩ-]+")  # of siunitx, where it is written out
_NUMBER = re.compile(r"[\d.,+-]+(?:e[+-]?\d+)?")
_QUOTES = (("---", "—"), ("--", "–"), ("``", "“"), ("''", "”"), ("`", "‘"))


class Rewriter:
    """Rewrites one formula. Raises :class:`Unconvertible` for what neither we nor the converter know."""

    def __init__(self) -> None:
        self.colours = Colours()
        self.tags: list[str] = []  # of the formula as a whole
        self._environments = Environments(self.rewritten)
        self._handlers: Mapping[str, Callable[[Reader], str]] = MappingProxyType(
            {
                r"\begin": self._environments.rewritten,
                r"\\": _row_end,
                r"\cr": _row_end,
                r"\newline": _row_end,
                r"\ce": lambda reader: chemistry(reader.argument(), self.rewritten),
                r"\pu": lambda reader: chemistry(reader.argument(), self.rewritten),
                **{command: self._text(command) for command in (r"\text", r"\textbf", r"\textit", r"\texttt")},
                **{command: self._text(r"\text") for command in _PLAIN_TEXT},
                r"\textcolor": lambda reader: self.colours.text(reader, self.rewritten),
                r"\color": lambda reader: self.colours.switch(reader),
                r"\colorbox": lambda reader: self.colours.box(reader, self.rewritten),
                r"\fcolorbox": lambda reader: self.colours.framed_box(reader, self.rewritten),
                **{command: _sized(command) for command in _SIZED},
                r"\mathop": self._with_limits,
                r"\root": self._root,
                r"\sout": lambda reader: rf"\cancel{{{self.rewritten(reader.argument())}}}",
                r"\tag": self._tag,
                **dict.fromkeys((r"\label", r"\require"), _dropped),
                **{command: lambda _: " " for command in _IGNORED},
                r"\href": self._second,
                r"\SI": _quantity,
                r"\qty": _quantity,
                r"\si": lambda reader: rf"\mathrm{{{_unit(reader.argument())}}}",
                r"\unit": lambda reader: rf"\mathrm{{{_unit(reader.argument())}}}",
                r"\num": lambda reader: _number(reader.argument()),
                r"\intertext": self._between_rows,
            }
        )

    def formula(self, source: str, *, display: bool) -> str:
        """The whole formula, with what only a whole formula has: rows without an environment, a tag."""
        body = arranged(self.rewritten(source))
        if not self.tags:
            return body
        if len(self.tags) > 1:
            raise Unconvertible("two tags")
        [tag] = self.tags
        if display and re.fullmatch(r"[\w .,:'*′-]+", tag):
            return rf"\begin{{equation*}}{body}\tag{{{tag}}}\end{{equation*}}"
        return rf"{body}\qquad({self.rewritten(tag)})"

    def rewritten(self, source: str) -> str:
        """A part of the formula."""
        reader, out = Reader(source), []
        while token := reader.next():
            handler = self._handlers.get(token)
            out.append(handler(reader) if handler else token)
        return "".join(out)

    def _second(self, reader: Reader) -> str:
        reader.argument()
        return f"{{{self.rewritten(reader.argument())}}}"

    def _text(self, command: str) -> Callable[[Reader], str]:
        r"""``\text{…$x$…}``: words with formulas in them become words and formulas in a row."""

        def handler(reader: Reader) -> str:
            content = reader.argument().replace(r"\(", "$").replace(r"\)", "$")
            parts = re.split(r"(?<!\\)\$", content)
            if len(parts) % 2 == 0:
                raise Unconvertible("an open formula in a text")
            shown = [
                f"{{{self.rewritten(part)}}}" if i % 2 else f"{command}{{{_words(part)}}}"
                for i, part in enumerate(parts)
                if part
            ]
            return f"{{{''.join(shown)}}}"

        return handler

    def _root(self, reader: Reader) -> str:
        r"""``\root n \of x``."""
        degree = []
        while (token := reader.next()) != r"\of":
            if not token:
                raise Unconvertible(r"\root without \of")
            degree.append(token)
        inner = self.rewritten("".join(degree).strip().removeprefix("{").removesuffix("}"))
        return rf"\sqrt[{{{inner}}}]{{{self.rewritten(reader.argument())}}}"

    def _with_limits(self, reader: Reader) -> str:
        r"""``\mathop{…}\limits_{a}^{b}``, whose limits the converter would set beside it."""
        inner = f"{{{self.rewritten(reader.argument())}}}"
        has_limits = reader.peek_past_spaces() == r"\limits"
        if has_limits:
            reader.skip_spaces()
            reader.next()
        while reader.peek_past_spaces() in ("_", "^"):
            reader.skip_spaces()
            command = r"\underset" if reader.next() == "_" else r"\overset"
            inner = rf"{{{command}{{{self.rewritten(reader.argument())}}}{inner}}}"
            has_limits = True
        return rf"\,{inner}\," if has_limits else rf"\mathop{inner}"

    def _between_rows(self, reader: Reader) -> str:
        return self._text(r"\text")(reader) + r" \\ "

    def _tag(self, reader: Reader) -> str:
        has_own_brackets = reader.peek() == "*"
        if has_own_brackets:
            reader.next()
        tag = reader.argument().replace("$", "").strip()
        self.tags.append(tag.removeprefix("(").removesuffix(")") if has_own_brackets else tag)
        return " "


_PLAIN_TEXT = (r"\textrm", r"\mbox", r"\hbox", r"\textnormal", r"\textsf", r"\emph")
_IGNORED = (
    *(r"\notag", r"\nonumber", r"\displaylimits", r"\allowbreak", r"\nobreak", r"\protect", r"\relax"),
    *(r"\tiny", r"\scriptsize", r"\footnotesize", r"\small", r"\normalsize", r"\large", r"\Large", r"\LARGE", r"\huge"),
)
_SIZED = [r"\left", r"\right", r"\middle"] + [
    rf"\{size}{side}" for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "r", "m")
]


def _sized(command: str) -> Callable[[Reader], str]:
    r"""``\left<``: the converter knows only ``\left\langle``."""

    def handler(reader: Reader) -> str:
        delimiter = reader.peek_past_spaces()
        if delimiter not in _ANGLES:
            return command
        reader.skip_spaces()
        return command + _ANGLES[reader.next()]

    return handler


def _words(text: str) -> str:
    r"""Text with the characters that are special in TeX escaped, where somebody forgot that."""
    text = re.sub(r"(?<!\\)[&#_%]", lambda found: f"\\{found[0]}", text)
    text = re.sub(r"(?<!\\)\^", r"\\textasciicircum{}", text)
    for written, shown in _QUOTES:
        text = text.replace(written, shown)
    return text


def _row_end(reader: Reader) -> str:
    r"""``\\*[2pt]``: without the space asked for."""
    if reader.peek() == "*":
        reader.next()
    if reader.peek() == "[":
        reader.optional(_DIMENSION)
    return r"\\ "


def _dropped(reader: Reader) -> str:
    reader.argument()
    return " "


def _quantity(reader: Reader) -> str:
    number = _number(reader.argument())
    return rf"{number}\,\mathrm{{{_unit(reader.argument())}}}"


def _number(text: str) -> str:
    if not _NUMBER.fullmatch(text.strip()):
        raise Unconvertible("a number of siunitx")
    digits, _, power = text.strip().partition("e")
    return rf"{digits}\times 10^{{{power}}}" if power else digits


def _unit(text: str) -> str:
    if not _UNIT.fullmatch(text):
        raise Unconvertible("a unit of siunitx")
    return re.sub(r"[*.\s]+", r"\\,", text.strip()).replace("%", r"\%")
