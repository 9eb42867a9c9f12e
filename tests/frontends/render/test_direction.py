"""Each block has its own direction; code and formulas are left-to-right."""

from __future__ import annotations

import re

from frontends.render import MarkdownRenderer, user_html

RENDERER = MarkdownRenderer()


def outline(text: str) -> list[str]:
    """The elements with their directions, e.g. ``p auto``; "" where they have none."""
    return [
        f"{tag} {direction}".strip()
        for tag, direction in re.findall(r'<(\w+)(?: [^>]*?dir="(\w+)")?[^>]*>', RENDERER.render(text))
        if tag not in ("span", "button", "figcaption", "div", "thead", "tbody", "tr", "mi")
    ]


def test_paragraphs_and_headings() -> None:
    assert outline("# مرحبا\n\nنص `x`\n\nEnglish") == ["h1 auto", "p auto", "code ltr", "p auto"]


def test_the_first_block_decides_its_containers_direction() -> None:
    assert outline("> اقتباس\n>\n> English") == ["blockquote auto", "p", "p auto"]
    assert outline("- عربي\n- English\n  - نص") == ["ul auto", "li", "li auto", "ul auto", "li"]
    assert outline("1. a\n\n   ب\n2. c") == ["ol auto", "li", "p", "p auto", "li auto", "p"]
    assert outline("> - a\n> - ب") == ["blockquote auto", "ul", "li", "li auto"]


def test_cells() -> None:
    assert outline("|ا|b|\n|-|-:|\n|c|d|") == ["table auto", "th", "th auto", "td auto", "td auto"]


def test_code_and_formulas() -> None:
    assert outline("```\nx\n```\n\n$$x$$\n\n\\(x\\) $\\frac{$") == [
        *("figure ltr", "pre", "code", "math ltr", "p auto", "math ltr", "code ltr"),
    ]


def test_what_users_wrote() -> None:
    assert user_html("a") == '<p dir="auto">a</p>'
