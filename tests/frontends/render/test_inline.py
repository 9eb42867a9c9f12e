"""Bare addresses, a few HTML tags, task lists, footnotes."""

from __future__ import annotations

import re
import time

import pytest

from frontends.render import MarkdownRenderer

RENDERER = MarkdownRenderer()
LINK = re.compile(r'<a href="([^"]*)"[^>]*>(.*?)</a>')


def links(text: str) -> list[tuple[str, str]]:
    return LINK.findall(RENDERER.render(text))


def inner(text: str) -> str:
    """The HTML in the one paragraph."""
    found = re.fullmatch(r'<p dir="auto">(.*)</p>\n', RENDERER.render(text), re.DOTALL)
    assert found
    return found[1]


ADDRESSES = {
    "see https://a.example/x?y=1&z=2.": "https://a.example/x?y=1&amp;z=2",
    "https://a.example/x!": "https://a.example/x",
    "(https://a.example/a_(b))": "https://a.example/a_(b)",
    "[see https://a.example/a]": "https://a.example/a",
    "**https://a.example/x_y_z**": "https://a.example/x_y_z",
    "*https://a.example/*": "https://a.example/",
    "见https://a.example/x。": "https://a.example/x",
    "“https://a.example/x”，": "https://a.example/x",
    "（https://a.example/x）": "https://a.example/x",
    "https://a.example、": "https://a.example",
    "https://a.example请看": "https://a.example",
    "https://a.example/docs获取": "https://a.example/docs",
    "https://zh.wikipedia.org/wiki/人工智能，": "https://zh.wikipedia.org/wiki/人工智能",
    "HTTPS://A.example:8443/#a": "HTTPS://A.example:8443/#a",
    "http://192.168.1.10:8080/x": "http://192.168.1.10:8080/x",
    "http://localhost:7860": "http://localhost:7860",
    "me@a.example.": "me@a.example",
    "写信给me@a.example。": "me@a.example",
    "mailto:me@a.example": "mailto:me@a.example",
    "| https://a.example/x | b |\n|-|-|": "https://a.example/x",
    "- https://a.example/x": "https://a.example/x",
}


@pytest.mark.parametrize("text", ADDRESSES)
def test_bare_addresses_are_links(text: str) -> None:
    assert [shown for _, shown in links(text)] == [ADDRESSES[text]]


@pytest.mark.parametrize(
    "text",
    [
        "https://google.com@evil.example/",
        "https://user:word@evil.example/",
        "http://2130706433/ http://0x7f.0.0.1/ http://0177.0.0.1/ http://256.1.1.1/ http://1.2.3.4.5/ http://127.1/",
        "https://аpple.com https://exаmple.com https://a.comа https://a.com.рф",  # Cyrillic letters
        "https://googlе.com/",
        "https://[::1]/ https:///x https://x https://-a.example",
        "ftp://a.example javascript:alert(1) file:///etc data:text/html,x xhttps://a.example",
        "a@b @a.example a@-b.example",
        "`https://a.example`",
    ],
)
def test_what_looks_like_another_host_or_scheme_is_text(text: str) -> None:
    assert links(text) == []


def test_an_address_in_a_link_stays_its_text() -> None:
    assert links("[https://a.example](https://b.example)") == [("https://b.example", "https://a.example")]
    assert links("[me@a.example](https://b.example)") == [("https://b.example", "me@a.example")]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("H<sub>2</sub>O", "H<sub>2</sub>O"),
        ("x<SUP>2</SUP>", "x<sup>2</sup>"),
        ("<kbd>Ctrl</kbd>+<kbd>C</kbd>", "<kbd>Ctrl</kbd>+<kbd>C</kbd>"),
        ("<mark>a **b** `<c>`</mark>", '<mark>a <strong>b</strong> <code dir="ltr">&lt;c&gt;</code></mark>'),
        ("a<br/>b", "a<br>\nb"),
        ("<sub>open", "&lt;sub&gt;open"),
        ("</sub>", "&lt;/sub&gt;"),
        ("<sub class=x>a</sub>", "&lt;sub class=x&gt;a&lt;/sub&gt;"),
        ("<b>a</b> <u>b</u>", "&lt;b&gt;a&lt;/b&gt; &lt;u&gt;b&lt;/u&gt;"),
        ("`<sub>2</sub>`", '<code dir="ltr">&lt;sub&gt;2&lt;/sub&gt;</code>'),
    ],
)
def test_tags(text: str, html: str) -> None:
    assert inner(text) == html


def test_task_lists() -> None:
    assert re.sub(' dir="auto"', "", RENDERER.render("- [x] done\n- [ ] open\n  1. [X] sub\n- [z] none\n- [x](y)")) == (
        '<ul>\n<li class="task"><input checked="" disabled="" type="checkbox">done</li>\n'
        '<li class="task"><input disabled="" type="checkbox">open\n<ol>\n'
        '<li class="task"><input checked="" disabled="" type="checkbox">sub</li>\n</ol>\n</li>\n'
        '<li>[z] none</li>\n<li><a target="_blank" rel="noopener noreferrer nofollow">x</a></li>\n</ul>\n'
    )
    assert "<input" not in RENDERER.render("[x] no list\n\n- a [x] b\n- `[x] c`")


def test_footnotes() -> None:
    html = RENDERER.render(
        "One[^1] and two[^n], not [^abc].\n\n[^1]: First **note**.\n[^n]: Second.\n\n    More.\n\nEnd."
    )
    assert html == (
        '<p dir="auto">One<sup class="footnote">1</sup> and two<sup class="footnote">n</sup>, not [^abc].</p>\n'
        '<div class="footnote" dir="auto"><span class="label">1</span><div class="note">'
        "<p>First <strong>note</strong>.</p>\n</div></div>\n"
        '<div class="footnote" dir="auto"><span class="label">n</span><div class="note">'
        '<p>Second.</p>\n<p dir="auto">More.</p>\n</div></div>\n<p dir="auto">End.</p>\n'
    )


@pytest.mark.parametrize(
    "unit",
    [
        "https://",
        "https://a.example/",
        "a@",
        "a@b.example ",
        "<sub>",
        "<sub></sub>",
        "[^1]",
        "[^1]: ",
        "https://a.a.",
        "[x] ",
    ],
)
def test_work_stays_bounded(unit: str) -> None:
    start = time.process_time()
    RENDERER.render((unit * 20_000)[:20_000])
    assert time.process_time() - start < 1.5
