r"""``\ce{2H2 + O2 -> 2H2O}``: the chemical notation of LaTeX's mhchem package, as far as chats use it.

Formulas with indices, charges, isotopes and states; reactions with arrows and what is written over them; bonds,
precipitates and gases, hydrates; ``$…$`` for a formula and ``"…"`` or ``\text`` for words. The rest is refused.
Reference: mhchem's manual, https://mhchem.github.io/MathJax-mhchem/.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from frontends.render.formulas.reading import Reader, Unconvertible

Rewrite = Callable[[str], str]

_ARROWS = {
    "<=>>": r"\xrightleftharpoons",
    "<<=>": r"\xrightleftharpoons",
    "<=>": r"\xrightleftharpoons",
    "<-->": r"\xrightleftharpoons",
    "<->": r"\xleftrightarrow",
    "->": r"\xrightarrow",
    "<-": r"\xleftarrow",
    "→": r"\xrightarrow",
    "⇌": r"\xrightleftharpoons",
    "↔": r"\xleftrightarrow",
}
_ARROW = re.compile("|".join(map(re.escape, _ARROWS)))
_STATE = re.compile(r"\(\s*(aq|s|l|g|cr|am|v|c)\s*\)")
_ELEMENT = re.compile(r"[A-Z][a-z]?|[a-z]")
_NUMBER = re.compile(r"\d+/\d+|\d+(?:\.\d+)?")
_CHARGE = re.compile(r"\^\s*(?:\{([^{}$\\]*)\}|(\d*[+\-−]|[•.]?[+\-−]?\d*))")
_COMMAND = re.compile(
    r"\\(?:[,;]|(?:Delta|alpha|beta|gamma|delta|mu|nu|pi|sigma|bullet|cdot|circ|uparrow|downarrow|pm|quad)(?![a-zA-Z]))"
)
_BONDS = {"-": "-", "−": "-", "=": "=", "#": r"\equiv ", "~": r"\sim "}
_SIGNS = {"(": "(", ")": ")", "[": "[", "]": "]", ",": ",", "/": "/", ":": ":", "'": "'"}


def chemistry(source: str, rewrite: Rewrite) -> str:
    r"""The argument of ``\ce`` as LaTeX. `rewrite` rewrites formulas in it. Raises :class:`Unconvertible`."""
    return f"{{{_Scanner(source, rewrite).reaction()}}}"


class _Scanner:
    """Reads from left to right; `_after_atom`: whether a digit is an index and a sign a charge."""

    def __init__(self, source: str, rewrite: Rewrite) -> None:
        self._source = source
        self._rewrite = rewrite
        self._at = 0
        self._out: list[str] = []
        self._after_atom = False

    def reaction(self) -> str:
        while self._at < len(self._source):
            if not (self._space() or self._arrow() or self._atom() or self._number() or self._sign()):
                raise Unconvertible(f"chemistry: {self._source[self._at]}")
        return "".join(self._out)

    def _put(self, tex: str, length: int, *, after_atom: bool = False) -> bool:
        self._out.append(tex)
        self._at += length
        self._after_atom = after_atom
        return True

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        return pattern.match(self._source, self._at)

    def _is_alone(self, length: int) -> bool:
        """Whether the next `length` characters stand between spaces."""
        around = f" {self._source} "
        return around[self._at].isspace() and around[self._at + 1 + length].isspace()

    def _space(self) -> bool:
        here = self._source[self._at]
        if here.isspace():
            return self._put(" ", 1)
        if here in "+−-" and self._is_alone(1):
            return self._put("+" if here == "+" else "-", 1)
        if here in "v^" and self._is_alone(1):
            return self._put(r"\downarrow " if here == "v" else r"\uparrow ", 1)
        if here in "*.·" and (here != "." or not self._source[self._at + 1 : self._at + 2].isspace()):
            return self._put(r"\cdot ", 1)
        return here in "↑↓" and self._put(r"\uparrow " if here == "↑" else r"\downarrow ", 1)

    def _arrow(self) -> bool:
        found = self._match(_ARROW)
        if not found:
            return False
        reader = Reader(self._source[found.end() :])
        above, below = self._label(reader), self._label(reader)
        command = _ARROWS[found[0]]
        self._at = len(self._source) - len(reader.rest())
        self._out.append(f"{command}{f'[{{{below}}}]' if below else ''}{{{above}}}")
        self._after_atom = False
        return True

    def _label(self, reader: Reader) -> str:
        text = reader.optional() if reader.peek() == "[" else None
        if not text:
            return ""
        if re.fullmatch(r"[^\\${}]*[^\x00-\x7f][^\\${}]*|[a-z][a-z .,]+", text):
            return rf"\text{{{text}}}"
        return _Scanner(text, self._rewrite).reaction()

    def _atom(self) -> bool:
        here = self._source[self._at]
        if (state := self._match(_STATE)) and self._out:
            return self._put(rf"\,\mathrm{{({state[1]})}}", len(state[0]))
        if found := self._match(_ELEMENT):
            return self._put(rf"\mathrm{{{found[0]}}}", len(found[0]), after_atom=True)
        if here == "{":
            inner = self._group()
            return self._put(rf"{{{_Scanner(inner, self._rewrite).reaction()}}}", len(inner) + 2, after_atom=True)
        if here == "$":
            end = self._source.find("$", self._at + 1)
            if end < 0:
                raise Unconvertible("chemistry: an open formula")
            inner = self._source[self._at + 1 : end]
            return self._put(f"{{{self._rewrite(inner)}}}", len(inner) + 2, after_atom=True)
        if here == '"' and (end := self._source.find('"', self._at + 1)) > 0:
            inner = self._source[self._at + 1 : end]
            return self._put(self._rewrite(rf"\text{{{inner}}}"), len(inner) + 2)
        return self._command()

    def _command(self) -> bool:
        if found := self._match(_COMMAND):
            return self._put(f"{found[0]} ", len(found[0]), after_atom=True)
        for command in (r"\text", r"\mathrm", r"\bond"):
            if self._source.startswith(f"{command}{{", self._at):
                start, self._at = self._at, self._at + len(command)
                inner = self._group()
                self._at = start
                length = len(command) + len(inner) + 2
                if command == r"\bond":
                    return self._put(_bond(inner), length)
                return self._put(self._rewrite(f"{command}{{{inner}}}"), length, after_atom=True)
        return False

    def _number(self) -> bool:
        found = self._match(_NUMBER)
        if not found:
            return False
        number = found[0]
        if self._after_atom:
            index = re.split(r"[/.]", number)[0]
            return self._put(f"_{{{index}}}", len(index), after_atom=True)
        if "/" in number:
            above, below = number.split("/")
            return self._put(rf"\tfrac{{{above}}}{{{below}}}\,", len(number))
        # A coefficient stands a little apart from what it counts.
        follows = self._source[self._at + len(number) : self._at + len(number) + 1]
        return self._put(number + (r"\," if follows.isalpha() or follows in "([" else ""), len(number))

    def _sign(self) -> bool:
        here = self._source[self._at]
        if here == "^":
            return self._scripts()
        if here == "_":
            return self._index()
        if here in "+-−" and self._after_atom and self._ends_here(1):
            return self._put(f"^{{{'+' if here == '+' else '-'}}}", 1, after_atom=True)
        if here in _BONDS:
            return self._put(f"{{{_BONDS[here]}}}", 1)
        if here == "+":
            return self._put("+", 1)
        if here in _SIGNS:
            return self._put(_SIGNS[here], 1, after_atom=here in ")]")
        return False

    def _ends_here(self, length: int) -> bool:
        """Whether the formula of a substance ends after `length` characters: there a sign is a charge."""
        rest = self._source[self._at + length :]
        return not rest or rest[0] in " \t\n)],}" or rest.startswith("(") or _ARROW.match(rest) is not None

    def _scripts(self) -> bool:
        """``^2-``, ``^{2-}``, ``^{227}_{90}`` before an element."""
        found = self._match(_CHARGE)
        if not found or not (found[1] or found[2]):
            raise Unconvertible("chemistry: a charge")
        inner = _script((found[1] or found[2]).strip())
        base = "" if self._after_atom else "{}"
        return self._put(f"{base}^{{{inner}}}", len(found[0]), after_atom=self._after_atom)

    def _index(self) -> bool:
        was_atom = self._after_atom
        self._at += 1
        if self._source[self._at : self._at + 1] == "{":
            inner = self._group()
            length = len(inner) + 2
        else:
            inner, length = self._source[self._at : self._at + 1], 1
        base = "" if was_atom or (self._out and self._out[-1].startswith("{}^")) else "{}"
        return self._put(f"{base}_{{{_script(inner)}}}", length, after_atom=was_atom)

    def _group(self) -> str:
        return Reader(self._source[self._at :]).argument()


def _script(inner: str) -> str:
    """What stands in an index or a charge: digits, signs, Roman numerals, letters for counts."""
    inner = inner.replace("−", "-").replace("•", r"\bullet ").replace(".", r"\bullet ")
    if not re.fullmatch(r"(?:[\w+\- ,]|\\bullet )+", inner):
        raise Unconvertible("chemistry: an index")
    return rf"\mathrm{{{inner}}}" if re.search(r"[A-Z]", inner) else inner


def _bond(inner: str) -> str:
    if inner not in ("-", "=", "#", "1", "2", "3"):
        raise Unconvertible("chemistry: a bond")
    return f"{{{_BONDS[{'1': '-', '2': '=', '3': '#'}.get(inner, inner)]}}}"
