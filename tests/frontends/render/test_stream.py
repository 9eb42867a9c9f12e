"""A reply rendered while it is written ends up as the same HTML as one rendered whole."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontends.render import MarkdownRenderer, StreamRenderer
from frontends.render.stream import AGAIN_LIMIT

RENDERER = MarkdownRenderer()

CORPUS = [
    "Plain words.\n\nA second paragraph\nwith a soft break.",
    "# Title\ntext right under it\n## Next\n\n---\n\nmore",
    "text\n---\nmore\n===\nend",
    "- a\n- b\n  - c\n    - d\n\n      deep paragraph\n- e\n\nafter the list",
    "1. one\n2. two\n\n   loose now\n\n3. three\n\n\n- other\n* third list\n+ fourth",
    "- [link](https://a.example)\n- `code`\n\n      indented in item\n\n    not\n",
    "```python\ndef f():\n\n    return '''\n\n'''\n```\nafter",
    "~~~\n```\nnot closed by backticks\n\n~~~\n\n> quote\nlazy\n\n> other quote\n> - list in quote\n>\n> ```\n> code\n",
    "````md\n```js\nlet a;\n```\n````",
    "```\nnever closed\n\n# not a heading\n- not a list",
    "| a | b |\n|---|:-:|\n| 1 | 2 |\n| 3 | `x|y` |\n\nafter\na | b\n--|--\n1 | 2\nend",
    "| not | a table\nsecond line\n| x |\n\n|a|\n|-|\n",
    "para\n| a | b |\n|---|---|\n| 1 | 2 |\n# head",
    "Before $a+b$ and \\(c\\):\n$$\n\\frac{1}{2}\n\n+ 3\n$$\nafter $$x$$ inline",
    "\\[\nx = 1\n- y\n+ z\n\\]\n\n\\begin{align}\na &= b \\\\\n- c &= d\n\\end{align}\ntext",
    "$$ x = 1\n- y $$\n\n$$ open beside\n\nnot a formula\n\n\\[ a \\] trailing words\n\nTherefore $$\nx\n$$\ndone",
    "$$\nnever closed\n\n- a",
    "- item $$\n  x\n  $$\n- \\[\n  y\n\n  \\]\nout",
    "你好，**世界：**是。\n\n一、\n- 列表项\n- **粗体**和`代码`\n\n```python\nprint('你')\n```\n\n公式$E=mc^2$。",
    "日本語**「強調」**です\n\n> 引用\n\n| 名 | 值 |\n|--|--|\n| 一 | 二 |",
    "a <b>tag</b> &amp; & &lt; <br> x ![img](https://i.example/x.png)\n\n<div>\n\n- x\n\n</div>",
    "\n\n\n   leading\n\n\n    code by indent\n\n    more of it\n\ntext\n",
    "line\r\nwindows\r\n\r\n- list\r\n- b\r\rold mac\r",
    "hard  \nbreak\\\nagain\n\n***\n___\n* * *\n",
    '*a **b c* d** _e_ ~~f~~ `g\nh` [i](https://j.example "k")\n\n\\# no heading\n\n1986\\. A year',
    "😀 emoji 👩‍👩‍👧 and \u2028 separators\u0085 and\x0b\x0c controls\n\nnext",
    "Setext\nover two\n-\n- a\n-\n  b\n\n#\n\n####### seven\n#no",
    "- a\n\n\n- b\n\n  ```\n  c\n\n\n  d\n  ```\n\n  e\n1) x\n2) y\n10. z",
    "[text with *em*](https://a.example/(b)) <https://auto.example> \\[not math here, open",
    "a[^1], [^n] and [^no]\n\n> quoted[^n]\n\n```\n[^1]\n```\n\n[^1]: One\n[^n]: Two[^1]\n\n    more\n\n[^2]\n[^2]: x",
    "- [x] done\n- [ ] open https://a.example/x_y. H<sub>2</sub>O <kbd>a\n\nme@a.example <mark>**b**</mark>",
    "> - a\n>\n>   b\n> - c\n\n> > nested\n> back\n\ntext\n    lazy indented",
]


A_LINK = '<a href="https://a.example" target="_blank" rel="noopener noreferrer nofollow">https://a.example</a>'


def paragraphs(*texts: str) -> str:
    return "".join(f'<p dir="auto">{text}</p>\n' for text in texts)


def streamed(pieces: list[str], *, update: bool = True) -> str:
    """Feed `pieces` as a view would: apply every changed block to a list, join it."""
    stream = StreamRenderer(RENDERER)
    shown: dict[int, str] = {}
    closed: set[int] = set()
    for i, piece in enumerate([*pieces, ""]):
        stream.append(piece)
        final = i == len(pieces)
        for block in stream.update(final=final) if update or final else []:
            assert block.index not in closed or "footnote" in block.html, "a closed block changed"
            if block.closed and not final:
                closed.add(block.index)
            shown[block.index] = block.html
    assert sorted(shown) == list(range(len(shown)))
    assert [b.html for b in stream.blocks()] == [shown[i] for i in range(len(shown))]
    return "".join(shown[i] for i in range(len(shown)))


def cut(text: str, rng: random.Random) -> list[str]:
    at = sorted(rng.sample(range(len(text) + 1), k=min(len(text), rng.randint(0, 40))))
    return [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]


@pytest.mark.parametrize("text", CORPUS)
def test_character_by_character_equals_whole(text: str) -> None:
    assert streamed(list(text)) == RENDERER.render(text)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(CORPUS), min_size=1, max_size=4), st.sampled_from(["\n", "\n\n", ""]), st.randoms())
def test_random_splits_of_joined_texts_equal_whole(texts: list[str], glue: str, rng: random.Random) -> None:
    text = glue.join(texts)
    assert streamed(cut(text, rng)) == RENDERER.render(text)


LINES = st.sampled_from(
    [
        "- a",
        "  b",
        "    c",
        "",
        "",
        "# h",
        "> q",
        "```",
        "```py",
        "~~~",
        "$$",
        "\\[",
        "\\]",
        "x $$",
        "$$ y",
        "1. n",
        "2) m",
        "---",
        "===",
        "| a |",
        "|---|",
        "a|b",
        "-|-",
        "text",
        "\\begin{align}",
        "\\end{align}",
        "* s",
        "  - t",
        "<p>",
        "\t tab",
        "[^1]: note",
        "see[^1]",
        "- [x] t",
    ]
)


@settings(deadline=None, max_examples=400)
@given(st.lists(LINES, max_size=14), st.randoms())
def test_random_lines_equal_whole(lines: list[str], rng: random.Random) -> None:
    text = "\n".join(lines)
    assert streamed(cut(text, rng)) == RENDERER.render(text)


def test_link_definitions_are_the_one_exception() -> None:
    text = "see [it]\n\n[it]: https://a.example\n\nend"
    assert "href" in RENDERER.render(text)
    assert streamed([text]) == paragraphs("see [it]", f"[it]: {A_LINK}", "end")


def test_a_footnote_changes_the_closed_blocks_that_refer_to_it() -> None:
    stream = StreamRenderer(RENDERER, "One[^1].\n\nTwo.\n\n[^1]: note\n\n")
    assert [b.html for b in stream.update()][:2] == [paragraphs("One[^1]."), paragraphs("Two.")]
    stream.append("Three")
    again = next(b for b in stream.update() if b.index == 0)
    assert (again.html, again.closed) == (paragraphs('One<sup class="footnote">1</sup>.'), True)


def test_rendering_again_for_footnotes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    n_rendered = 0
    original = MarkdownRenderer.render_block

    def counted(*args: Any) -> str:
        nonlocal n_rendered
        n_rendered += 1
        return original(*args)

    monkeypatch.setattr(MarkdownRenderer, "render_block", counted)
    stream = StreamRenderer(RENDERER, "".join(f"[^{i}] " for i in range(2_000)) + "\n\n")
    for i in range(200):  # each makes the long paragraph wait for one label less
        stream.append(f"[^{i}]: x\n\n")
        stream.update()
    assert stream.again_length < 2 * AGAIN_LIMIT
    assert n_rendered < 1_000


def test_only_changed_blocks_are_given() -> None:
    stream = StreamRenderer(RENDERER, "One.\n\nTwo")  # a letter settles that the first paragraph is over
    assert [(b.index, b.closed) for b in stream.update()] == [(0, True), (1, False)]
    assert stream.update() == []
    stream.append(" more.\n\nThree")
    assert [(b.index, b.html, b.closed) for b in stream.update()] == [
        (1, paragraphs("Two more."), True),
        (2, paragraphs("Three"), False),
    ]


@pytest.mark.parametrize(
    ("so_far", "html"),
    [
        ("text\n-", paragraphs("text")),  # not a heading for a moment, then a list
        ("text\n==", paragraphs("text")),
        ("- a\n-", '<ul dir="auto">\n<li>a</li>\n</ul>\n'),
        ("text\n\n| a | b |\n", paragraphs("text")),  # not a paragraph, then a table
        ("text\n\n| a | b |\n|--", paragraphs("text")),
        ("text\n\n```py", paragraphs("text")),
        ("text\n[^", paragraphs("text")),  # not text, then a footnote
        ("text\n[^1]:", paragraphs("text")),
        ("text\n\n$$", paragraphs("text")),
        ("$$\nx = \\frac", '<pre class="math" dir="ltr"><code>x = \\frac</code></pre>\n'),
    ],
)
def test_nothing_flickers(so_far: str, html: str) -> None:
    stream = StreamRenderer(RENDERER, so_far)
    stream.update()
    assert "".join(b.html for b in stream.blocks()) == html


def test_an_open_fence_is_code_at_once() -> None:
    stream = StreamRenderer(RENDERER, "```python\nx = 1")
    [block] = stream.update()
    assert block.html.startswith('<figure class="code"')
    assert not block.closed


def test_text_length_counts_code_points() -> None:
    stream = StreamRenderer(RENDERER, "你好😀\r")
    stream.append("\n")
    assert stream.length == 5


@pytest.mark.parametrize(
    "unit",
    ["words and **bold** and `code` here. ", "```\n", "- item with `code`\n", "$$a\n", "[", "*a ", "\\(", "| a "],
)
def test_work_stays_bounded(unit: str) -> None:
    """5,000 characters in 50 pieces: each update takes milliseconds, even of the worst text."""
    text = (unit * 5_000)[:5_000]
    stream = StreamRenderer(RENDERER)
    start = time.process_time()
    for at in range(0, len(text), 100):
        stream.append(text[at : at + 100])
        stream.update()
    assert time.process_time() - start < 10.0


def test_long_code_is_highlighted_again_only_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    from frontends.render import code

    lengths: list[int] = []
    original = code.highlighted
    monkeypatch.setattr(code, "highlighted", lambda text, lang: (lengths.append(len(text)), original(text, lang))[1])
    stream = StreamRenderer(RENDERER, "```python\n")
    for _ in range(500):
        stream.append("value = compute(1)\n\n")
        stream.update()
    assert sum(lengths) < 200_000  # the text has 10,000 characters; anew each time would be 2.5 million
    stream.update(final=True)
    assert "".join(b.html for b in stream.blocks()) == RENDERER.render("```python\n" + "value = compute(1)\n\n" * 500)
