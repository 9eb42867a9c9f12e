r"""Formulas: LaTeX in, MathML Core out, or nothing where a part of the formula is unknown.

    convert.py       one formula: its limits, then rewriting, the converter, the markup
    reading.py       TeX's tokens and arguments
    rewriting.py     what the converter doesn't know or reads differently, in terms of what it knows
    environments.py  \begin{…} … \end{…}, line breaks outside them, \tag
    macros.py        short commands that stand for others
    colours.py       \textcolor, \colorbox, …
    chemistry.py     \ce{…}
    markup.py        the converter's MathML as ours: classes in place of styles, a check of every element

The converter, math-core, refuses a formula with an unknown command as a whole. That is what we want: the page then
shows the source, and never a formula with remains of commands in it.
"""

from __future__ import annotations

from frontends.render.formulas.convert import LIMIT, mathml

__all__ = ["LIMIT", "mathml"]
