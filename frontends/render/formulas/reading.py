"""TeX as tokens: commands, single characters, spaces; and the arguments of a command."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\\[a-zA-Z]+|\\[\s\S]|\s+|[\s\S]")

_OPENING = frozenset("([⟨⌈⌊⟦❲⟪⟮⦃⌜⌞⎰") | {
    rf"\{name}"
    for name in (
        *("{", "lbrace", "lbrack", "lparen", "langle", "lang", "lceil", "lfloor", "lvert", "lVert", "lgroup"),
        *(
            "lmoustache",
            "llbracket",
            "lBrace",
            "llparenthesis",
            "llangle",
            "lAngle",
            "ulcorner",
            "llcorner",
            "mathopen",
        ),
    )
}
_CLOSING = frozenset(")]⟩⌉⌋⟧❳⟫⟯⦄⌝⌟⎱") | {
    rf"\{name}"
    for name in (
        *("}", "rbrace", "rbrack", "rparen", "rangle", "rang", "rceil", "rfloor", "rvert", "rVert", "rgroup"),
        *(
            "rmoustache",
            "rrbracket",
            "rBrace",
            "rrparenthesis",
            "rrangle",
            "rAngle",
            "urcorner",
            "lrcorner",
            "mathclose",
        ),
    )
}


class Unconvertible(Exception):
    """The formula can't be converted; its source is shown."""


def tokens(source: str) -> list[str]:
    """`source` as tokens; joined they are `source` again."""
    return _TOKEN.findall(source)


class Reader:
    """Reads tokens and arguments, from the beginning to the end."""

    def __init__(self, source: str) -> None:
        self._tokens = tokens(source)
        self._at = 0

    def next(self) -> str:
        """The next token; "" at the end."""
        token = self.peek()
        self._at += 1
        return token

    def peek(self) -> str:
        """The next token, which stays; "" at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def peek_past_spaces(self) -> str:
        """The next token that is no space; it stays."""
        at = self._at
        while at < len(self._tokens) and self._tokens[at].isspace():
            at += 1
        return self._tokens[at] if at < len(self._tokens) else ""

    def skip_spaces(self) -> None:
        """Skip spaces."""
        while self.peek().isspace():
            self._at += 1

    def argument(self) -> str:
        """The argument of a command: the content of a group, or one token.

        A command in place of a group takes no argument of its own, as in TeX. Raises :class:`Unconvertible`.
        """
        self.skip_spaces()
        first = self.next()
        if first in ("", "}", "&"):
            raise Unconvertible("an argument is missing")
        return self._until("{", "}") if first == "{" else first

    def optional(self, pattern: str = r"[\s\S]*") -> str | None:
        """The content of ``[…]`` if that comes next and matches; otherwise nothing is read."""
        before = self._at
        self.skip_spaces()
        content = self._bracket() if self.peek() == "[" else None
        if content is None or not re.fullmatch(pattern, content):
            self._at = before
            return None
        return content

    def rest(self) -> str:
        """All that was not read yet."""
        start, self._at = self._at, len(self._tokens)
        return "".join(self._tokens[start:])

    def environment(self, name: str) -> str:
        r"""What is between ``\begin{name}``, which has been read, and its ``\end{name}``."""
        begin, end = ([rf"\{word}", *f"{{{name}}}"] for word in ("begin", "end"))
        start, depth = self._at, 1
        while True:
            token = self.peek()
            if not token:
                raise Unconvertible("an environment has no end")
            if token == begin[0] and self._tokens[self._at : self._at + len(begin)] == begin:
                depth += 1
            elif token == end[0] and self._tokens[self._at : self._at + len(end)] == end:
                depth -= 1
                if not depth:
                    break
            self._at += 1
        body = "".join(self._tokens[start : self._at])
        self._at += len(end)
        return body

    def _bracket(self) -> str:
        self.next()
        start, depth = self._at, 0
        while (token := self.next()) != "]" or depth:
            depth += (token == "{") - (token == "}")
            if not token or depth < 0:
                raise Unconvertible("a bracket is not closed")
        return "".join(self._tokens[start : self._at - 1])

    def _until(self, opening: str, closing: str) -> str:
        start, depth = self._at, 1
        while depth:
            token = self.next()
            if not token:
                raise Unconvertible("a group is not closed")
            depth += (token == opening) - (token == closing)
        return "".join(self._tokens[start : self._at - 1])


def depth(source: str) -> int:
    """How deep groups, environments and fences are nested in `source`."""
    deepest = now = 0
    for token in tokens(source):
        if token in ("{", r"\begin", r"\left"):
            now += 1
            deepest = max(deepest, now)
        elif token in ("}", r"\end", r"\right"):
            now -= 1
    return deepest


_BIG = re.compile(r"\\[bB]igg?[lr]")  # says of the delimiter behind it whether it opens or closes


def unclosed(source: str) -> int:
    """How many brackets are opened and not closed within their group, in all of `source` together."""
    total = 0
    levels = [0]  # of each open group
    said = ""  # by the token before
    for token in tokens(source):
        if said and token.isspace():
            continue
        opens, closes = (said == "l", said == "r") if said else (token in _OPENING, token in _CLOSING)
        said = token[-1] if _BIG.fullmatch(token) else ""
        if token in ("{", r"\begin"):
            levels.append(0)
        elif token in ("}", r"\end") and len(levels) > 1:
            total += levels.pop()
        elif opens:
            levels[-1] += 1
        elif closes and levels[-1]:
            levels[-1] -= 1
    return total + sum(levels)


def without_comments(source: str) -> str:
    r"""`source` without ``% …`` to the end of the line. After a digit it is a forgotten backslash: ``50%`` is kept."""
    kept: list[str] = []
    in_comment = False
    for token in tokens(source):
        if in_comment:
            in_comment = "\n" not in token
            continue
        before = kept[-1] if kept else ""
        if token != "%":
            kept.append(token)
        elif before.isdigit():
            kept.append(r"\%")
        else:
            in_comment = True
    return "".join(kept)
