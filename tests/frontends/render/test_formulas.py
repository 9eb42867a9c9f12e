r"""Formulas: right, or their source unchanged; never remains of commands, braces or ``&``."""

from __future__ import annotations

import re
import time
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontends.render import MarkdownRenderer
from frontends.render.formulas import LIMIT, mathml

RENDERER = MarkdownRenderer()
TAG = re.compile(r"<(\w+)")
ATTRIBUTE = re.compile(r' (\w+)="')


def tree(source: str, *, display: bool = True) -> Element:
    converted = mathml(source, display=display)
    assert converted is not None, source
    return fromstring(converted)


def shown(source: str, *, display: bool = True) -> str:
    """What a reader sees, without invisible operators and spaces between elements."""
    return re.sub(r"[\u2061-\u2064\ufe00\ufe01]", "", "".join(tree(source, display=display).itertext()))


def table(source: str) -> list[list[str]]:
    [rows] = tree(source).iter("mtable")
    cells = [["".join(cell.itertext()) for cell in row] for row in rows]
    return [[cell for cell in row if cell] for row in cells]


ROWS = {
    r"\begin{aligned} x + y &= 3 \\ x - y &= 1 \end{aligned}": [["x+y", "=3"], ["x−y", "=1"]],
    r"\begin{aligned}[t] a &= b \\[2pt] c &= d \\ \end{aligned}": [["a", "=b"], ["c", "=d"]],
    r"\begin{align} a &= b \label{eq:1} \\* c &= d \nonumber \end{align}": [["a", "=b"], ["c", "=d"]],
    r"\begin{align*} a &= b \end{align*}": [["a", "=b"]],
    r"\begin{alignat}{2} a &= b & c &= d \end{alignat}": [["a", "=b", "c", "=d"]],
    r"\begin{equation}\begin{split} a &= b \\ &= c \end{split}\end{equation}": [["a", "=b"], ["=c"]],
    r"\begin{gathered} a = 1 \\ b = 2 \end{gathered}": [["a=1"], ["b=2"]],
    r"\begin{eqnarray} a &=& b \\ c &=& d \end{eqnarray}": [["a", "=", "b"], ["c", "=", "d"]],
    r"\begin{cases} 1 & x>0 \\ 0 & \text{otherwise} \end{cases}": [["1", "x>0"], ["0", "otherwise"]],
    r"\begin{array}{l|*{2}{c}@{\,}r} a & b & c & d \\ \hline e & f & g & h \end{array}": [list("abcd"), list("efgh")],
    r"\begin{bmatrix*}[r] -1 & 3 \\ 2 & 4 \end{bmatrix*}": [["−1", "3"], ["2", "4"]],
    r"\begin{smallmatrix} a & b \\ c & d \end{smallmatrix}": [["a", "b"], ["c", "d"]],
    r"\sum_{\substack{i<m \\ j<n}} x": [["i<m"], ["j<n"]],
    r"a &= b \\ c &= d": [["a", "=b"], ["c", "=d"]],
    r"a = b \\ c = d": [["a=b"], ["c=d"]],
    r"\begin{aligned} a &= b \tag{1} \\ c &= d \tag{2} \end{aligned}": [["a", "=b", "(1)"], ["c", "=d", "(2)"]],
    r"\begin{aligned} a &= b \end{aligned} \quad \text{and no more}": [["a", "=b"]],
}


@pytest.mark.parametrize("source", ROWS)
def test_rows_and_columns(source: str) -> None:
    assert table(source) == ROWS[source]


TEXTS = {
    r"\boxed{42}": "42",
    r"\text{50\%}": "50%",
    r"\text{50%}": "50%",
    r"50% ": "50%",
    r"a % comment": "a",
    r"\cancel{x}+\bcancel{y}+\xcancel{z}": "x+y+z",
    r"\textcolor{red}{x}+{\color{#06c} y}+\color[RGB]{1,2,3}z": "x+y+z",
    r"\colorbox{yellow}{x}": "x",
    r"\operatorname{Var}(X)": "Var(X)",
    r"\overset{a}{=}\underset{b}{x}\underbrace{c}_{n}": "=axbc⏟n",
    r"\left(\frac{a}{b}\right]": "(ab]",
    r"\left<x\right>": "⟨x⟩",
    r"E=mc^2 \tag{1.2}": "E=mc2(1.2)",
    r"a \tag*{(A)}": "a(A)",
    r"a \tag{$\ast$}": "a(∗)",
    r"\label{eq:1} a = b": "a=b",
    r"\mathbb{R}\mathds{1}": "ℝ𝟙",
    r"\Bigl[ x \Bigr]": "[x]",
    r"a \quad b \, c": "abc",
    r"\xrightarrow[b]{a}": "→ba",
    r"\sum\limits_{i=1}^n i": "∑i=1ni",
    r"\mathop{\arg\max}\limits_{x} f": "argmaxxf",
    r"\text{if $x>0$ then}": "if\xa0x>0\xa0then",
    r"\mbox{a_b}": "a_b",
    r"\SI{5e-3}{m/s}": "5×10−3m/s",
    r"\abs{x}": "|x|",
    r"\overline{AB}": "AB",
    r"\root 3 \of x": "x3",
    r"p(x \mid y)": "p(x∣y)",
    r"\ce{H2O}": "H2O",
    r"\ce{2H2 + O2 -> 2H2O}": "2H2+O2→2H2O",
    r"\ce{SO4^2-}": "SO42−",
    r"\ce{Na+ + Cl- -> NaCl v}": "Na++Cl−→NaCl↓",
    r"\ce{CaCO3 ->[\Delta] CaO + CO2 ^}": "CaCO3→ΔCaO+CO2↑",
    r"\ce{A <=>[cat.][T] B}": "A⇌Tcat.B",
    r"\ce{NaOH(aq) + HCl(g)}": "NaOH(aq)+HCl(g)",
    r"\ce{[Fe(CN)6]^{3-}}": "[Fe(CN)6]3−",
    r"\ce{^{227}_{90}Th+}": "90227Th+",
    r"\ce{CuSO4.5H2O}": "CuSO4⋅5H2O",
    r"\ce{CH3-CH=CH2}": "CH3−CH=CH2",
    r"\ce{HgI2 ->[I-] [HgI4]^2-}": "HgI2→I−[HgI4]2−",
}


@pytest.mark.parametrize("source", TEXTS)
def test_what_is_seen(source: str) -> None:
    assert shown(source) == TEXTS[source]


SOURCES = [
    r"\foo{x} & y",
    r"\frac{",
    r"{x",
    r"x}",
    r"\begin{CD} A @>a>> B \end{CD}",
    r"\begin{tabular}{c} a \end{tabular}",
    r"\begin{aligned} a \end{cases}",
    r"\begin{array}{c&} a \end{array}",
    r"\includegraphics{x}",
    r"\href{https://a.example}",
    r"\ref{eq:1}",
    r"\verb|x|",
    r"\ce{@}",
    r"\text{$x}",
    r"\textcolor{nocolour}{x}",
    r"\hline",
    "x \\",
    r"\newcommand{\R}{\mathbb{R}} \R",
    r"\def\a{xx}\def\b{\a\a}\b",
]


@pytest.mark.parametrize("source", SOURCES)
def test_otherwise_the_source_is_shown_unchanged(source: str) -> None:
    escaped = source.replace("&", "&amp;").replace(">", "&gt;")
    assert RENDERER.render(f"$$\n{source}\n$$") == f'<pre class="math" dir="ltr"><code>{escaped}</code></pre>\n'


@pytest.mark.parametrize("source", [*ROWS, *TEXTS])
def test_the_allow_list_takes_nothing_away(source: str) -> None:
    converted = mathml(source, display=True)
    assert converted is not None
    html = RENDERER.render(f"$$\n{source}\n$$")
    assert TAG.findall(html) == ["div", *TAG.findall(converted)]
    assert sorted(ATTRIBUTE.findall(html)) == sorted(["class", *ATTRIBUTE.findall(converted)])
    assert 'class=""' not in html


@pytest.mark.parametrize("display", [True, False])
def test_directions(display: bool) -> None:
    assert tree("x", display=display).attrib == {"display": "block" if display else "inline", "dir": "ltr"}


def test_rules_run_across_the_table() -> None:
    rows = list(tree(r"\begin{array}{|c|c|} \hline a & b \\ \hline c \\ \hline \end{array}").iter("mtr"))
    classes = [[set(cell.get("class", "").split()) for cell in row] for row in rows]
    assert [len(row) for row in rows] == [2, 2]
    assert all("solid-top" in cell and "solid-bottom" in cell for cell in classes[1])


@pytest.mark.parametrize(
    ("source", "attribute", "value"),
    [
        (r"\textcolor{red}{x}", "mathcolor", "#FF0000"),
        (r"\textcolor{#06c}{x}", "mathcolor", "#0066cc"),
        (r"\textcolor[HTML]{12AB34}{x}", "mathcolor", "#12ab34"),
        (r"\textcolor[rgb]{1,0.5,0}{x}", "mathcolor", "#ff8000"),
        (r"\colorbox{gold}{x}", "mathbackground", "#ffd700"),
    ],
)
def test_colours(source: str, attribute: str, value: str) -> None:
    assert [element.get(attribute) for element in tree(source).iter("mrow") if element.get(attribute)] == [value]


def test_a_formulas_own_text_stays_text() -> None:
    assert mathml(r"\text{<b>\&lt;}", display=False) == (
        '<math display="inline" dir="ltr"><mtext>&lt;b&gt;&amp;lt;</mtext></math>'
    )


HOSTILE = [
    "{" * 4_000 + "x" + "}" * 3_900,
    r"\frac{" * 600 + "x" + "}{y}" * 600,
    r"\text{" * 600 + "}" * 600,
    r"\ce{" * 600 + "}" * 600,
    r"\begin{matrix}" * 200 + r"\end{matrix}" * 200,
    r"\textcolor{red}{" * 300 + "}" * 300,
    r"\mathop{" * 300 + "}" * 300,
    r"\left(" * 500 + r"\right)" * 500,
    "x^" * 3_000,
    "x" + "'" * 7_000,
    "&" * 7_000,
    r"\\" * 3_500,
    r"\begin{array}{*{99}{*{99}{c}}} x \end{array}",
    r"\ce{" + "a^" * 3_000 + "}",
    "[" * 7_000,
    "(" * 40,
    r"\bigl|" * 40,
    r"\Biggl \rangle" * 40,
    r"\lbrace x" * 40,
    "{(}" * 40,
    r"\mathrm{[}" * 40,
    r"\begin{matrix}" + "(" * 40 + r"&\end{matrix}",
    "⟨" * 40,
    r"\sqrt[" * 1_000,
    r"\color[" * 900,
    r"\substack{" * 50 + "x" + "}" * 50,
    r"\cancelto{a}{" * 55 + "x" + "}" * 55,
]


@pytest.mark.parametrize("source", HOSTILE)
@pytest.mark.parametrize("around", ["$${}$$", "$$\n{}\n$$", r"\({}\)"])
def test_hostile_formulas_are_bounded(source: str, around: str) -> None:
    source = source[: LIMIT - 10]
    start = time.process_time()
    html = RENDERER.render(around.replace("{}", source))
    assert time.process_time() - start < 1.5  # the process that renders ends at two seconds
    assert len(html) < 60 * len(source) + 20_000


@pytest.mark.parametrize("around", ["$${}$$", "$$\n{}\n$$", r"\({}\)"])
def test_longer_formulas_are_their_source(around: str) -> None:
    assert "<math" not in RENDERER.render(around.replace("{}", "x+" * 10_000))


PIECES = [
    *(r"\frac", "{", "}", "x", "&", r"\\", "^", "_", r"\text{a}", r"\left(", r"\right)", r"\foo"),
    *(r"\begin{aligned}", r"\end{aligned}", r"\begin{array}{c|c}", r"\end{array}", r"\hline", "[2pt]", "%", " "),
    *(r"\ce{H2O}", r"\color{red}", r"\tag{1}"),
    *(r"\substack", r"\mathop", r"\limits", "$", "#", "~", r"\boxed", r"\root", r"\of", r"\big", "<", ">"),
]  # fmt: skip


@settings(deadline=None, max_examples=500)
@given(st.lists(st.sampled_from(PIECES), max_size=14), st.booleans())
def test_no_remains_of_commands(pieces: list[str], display: bool) -> None:
    converted = mathml("".join(pieces), display=display)
    if converted is not None:
        text = "".join(fromstring(converted).itertext())
        assert not re.search(r"\\[a-zA-Z]|[{}&#$]", text), text


DELIMITED = {
    "$x$": 1,
    "设$x$为实数，$$y$$": 2,
    r"\(x\) and \[y\]": 2,
    "\\begin{align}\na &= b\n\\end{align}": 1,
    "\\begin{cases}\na \\\\ b\n\\end{cases}": 1,
    "| a | b |\n|---|---|\n| $x^2$ | \\(y\\) |": 2,
    "- $x$\n- \\[y\\]\n- $$\n  z\n  $$": 3,
    "1. $$\n   \\begin{aligned}\n   a &= b\n   \\end{aligned}\n   $$": 1,
    "> $$x$$": 1,
    "$5 and $10": 0,
    "$5 apples$ and $2n$, $3x$": 2,
    "It costs $5, or 5$ there, US$3 or \\$4 and $6.50/month": 0,
    "`$x$` and `\\(y\\)`": 0,
    "```\n$x$\n```": 0,
}


@pytest.mark.parametrize("source", DELIMITED)
def test_delimiters(source: str) -> None:
    html = RENDERER.render(source)
    assert html.count("<math") == DELIMITED[source]
    assert 'class="math"><code' not in html
