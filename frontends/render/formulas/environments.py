r"""``\begin{…} … \end{…}``: names and arguments as the converter knows them; rows outside any environment."""

from __future__ import annotations

import re
from collections.abc import Callable

from frontends.render.formulas.reading import Reader, Unconvertible, tokens

# A formula in a chat stands alone: its rows get no numbers, except those that it gives itself.
_PLAIN = {
    "align": "aligned",
    "alignat": "aligned",
    "alignedat": "aligned",
    "flalign": "aligned",
    "split": "aligned",
    "gather": "gathered",
    "bmatrix*": "bmatrix",
    "pmatrix*": "pmatrix",
    "vmatrix*": "vmatrix",
    "Vmatrix*": "Vmatrix",
    "Bmatrix*": "Bmatrix",
    "matrix*": "matrix",
    "smallmatrix": "matrix",
    "multline": "multline*",
    "displaymath": "equation*",
    "math": "equation*",
}
_TAGGED = {"aligned": "align*", "gathered": "gather*"}
_COUNTED = {"alignat", "alignedat"}  # with the number of column pairs as an argument
_WITH_COLUMNS = {"array", "subarray"}
_KNOWN = {
    *("aligned", "gathered", "multline*", "equation*", "array", "subarray", "matrix", "pmatrix", "bmatrix", "Bmatrix"),
    *("vmatrix", "Vmatrix", "cases", "rcases", "dcases", "drcases"),
}
_COLUMNS_LIMIT = 60
_PLACEMENT = r"[tbclr]?"  # \begin{aligned}[t], \begin{pmatrix*}[r]


class Environments:
    """Rewrites environments; `rewrite` rewrites what is in them."""

    def __init__(self, rewrite: Callable[[str], str]) -> None:
        self._rewrite = rewrite

    def rewritten(self, reader: Reader) -> str:
        r"""The environment whose ``\begin`` has been read."""
        given = reader.argument()
        body = reader.environment(given)
        name = given.removesuffix("*") if given.removesuffix("*") in ("equation", *_PLAIN) else given
        name = _PLAIN.get(given, _PLAIN.get(name, name))
        if given.removesuffix("*") == "equation":
            return self._rewrite(body)
        if given.removesuffix("*") == "eqnarray":
            return rf"\begin{{array}}{{rcl}}{self._cells(body)}\end{{array}}"
        if name not in _KNOWN:
            raise Unconvertible(f"environment {given}")
        inner = Reader(body)
        columns = ""
        if given.removesuffix("*") in _COUNTED:
            inner.argument()
        inner.optional(_PLACEMENT)
        if given in _WITH_COLUMNS:
            columns = f"{{{_columns(inner.argument())}}}"
        body = inner.rest()
        if name in _TAGGED and r"\tag" in tokens(body):
            return self._tagged(_TAGGED[name], body)
        shown = rf"\begin{{{name}}}{columns}{self._rewrite(body)}\end{{{name}}}"
        return rf"{{\scriptstyle {shown}}}" if given == "smallmatrix" else shown

    def _cells(self, body: str) -> str:
        return re.sub(r"(?<!\\)&|\\\\ |\A", lambda found: rf"{found[0]}\displaystyle ", self._rewrite(body))

    def _tagged(self, name: str, body: str) -> str:
        """Rows with numbers of their own, which the converter sets itself."""
        rows = []
        for row in re.split(r"(\\tag\*?\{[^{}$\\]*\})", body):
            rows.append(row if row.startswith(r"\tag") else self._rewrite(row))
        return rf"\begin{{{name}}}{''.join(rows)}\end{{{name}}}"


def arranged(formula: str) -> str:
    r"""A rewritten formula, in an environment if it has ``\\`` or ``&`` outside of any."""
    depth = 0
    found = set()
    for token in tokens(formula):
        depth += (token in ("{", r"\begin")) - (token in ("}", r"\end"))
        if token in ("&", r"\\") and depth == 0:
            found.add(token)
    if not found:
        return formula
    name = "aligned" if "&" in found else "gathered"
    return rf"\begin{{{name}}}{formula.rstrip().removesuffix(chr(92) * 2)}\end{{{name}}}"


def _columns(specification: str) -> str:
    """Columns as the converter knows them: ``l c r | :``."""
    reader, out = Reader(specification), ""
    while token := reader.next():
        if token in ("l", "c", "r", "|", ":"):
            out += token
        elif token in ("p", "m", "b"):
            reader.argument()
            out += "l"
        elif token in ("@", "!", ">", "<"):
            reader.argument()
        elif token == "*":
            times = reader.argument()
            if not re.fullmatch(r"\d{1,2}", times):
                raise Unconvertible("columns")
            out += int(times) * _columns(reader.argument())
        elif token == "X":
            out += "l"
        elif not token.isspace():
            raise Unconvertible("columns")
        if len(out) > _COLUMNS_LIMIT:
            raise Unconvertible("columns")
    return out
