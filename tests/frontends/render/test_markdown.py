"""What Markdown becomes, literally."""

from __future__ import annotations

import re

import pytest

from frontends.render import MarkdownRenderer, highlight_css, user_html
from frontends.render.colours import BACKGROUND, COLOURS, TEXT

RENDERER = MarkdownRenderer()
LINK = 'target="_blank" rel="noopener noreferrer nofollow"'


MATH = '<math display="{}">{}</math>'


def anchor(address: str, text: str) -> str:
    return f'<p><a href="{address}" {LINK}>{text}</a></p>\n'


def display(inner: str) -> str:
    return f'<div class="math">{MATH.format("block", inner)}</div>\n'


def inline(inner: str) -> str:
    return f"<p>{MATH.format('inline', inner)}</p>\n"


def figure(code: str, language: str = "") -> str:
    return (
        f'<figure class="code"><figcaption><span class="lang">{language}</span>'
        '<button type="button" class="copy" data-copy="" aria-label="Copy"></button></figcaption>'
        f'<pre><code class="highlight">{code}</code></pre></figure>\n'
    )


GOLDEN = {
    "emphasis": ("a **b** *c* ~~d~~ `e<f`", "<p>a <strong>b</strong> <em>c</em> <s>d</s> <code>e&lt;f</code></p>\n"),
    "single line ends stay": ("one\ntwo", "<p>one<br>\ntwo</p>\n"),
    "bold beside Chinese": ("**注：**请**“看”**吧", "<p><strong>注：</strong>请<strong>“看”</strong>吧</p>\n"),
    "heading and list": ("## T\n1. a\n2. b", "<h2>T</h2>\n<ol>\n<li>a</li>\n<li>b</li>\n</ol>\n"),
    "list that starts later": ("3. c", '<ol start="3">\n<li>c</li>\n</ol>\n'),
    "link": ("[t](https://a.example)", anchor("https://a.example", "t")),
    "a link into our own pages is none": ("[t](/api/x)", f"<p><a {LINK}>t</a></p>\n"),
    "image is a link": ("![alt](https://i.example/x.png)", anchor("https://i.example/x.png", "alt")),
    "image without words": ("![](https://i.example)", anchor("https://i.example", "https://i.example")),
    "image in a link": ("[![alt](https://i.example)](https://a.example)", anchor("https://a.example", "alt")),
    "HTML is text": ("a <b onclick=x>b</b>", "<p>a &lt;b onclick=x&gt;b&lt;/b&gt;</p>\n"),
    "but for line breaks": ("a<br/>b", "<p>a<br>\nb</p>\n"),
    "code": ("```python x y\nx = '<'\n```", figure(
        '<span class="n">x</span> <span class="o">=</span> <span class="s1">\'&lt;\'</span>\n', "python")),
    "code in an unknown language": ("```zzz\n<a>\n```", figure("&lt;a&gt;\n", "zzz")),
    "code by indentation": ("    a\n    b\n", figure("a\nb\n")),
    "blank lines before code": ("```python\n\n\n1\n```", figure('\n\n<span class="mi">1</span>\n', "python")),
    "table": ("|a|b|\n|-|-:|\n|1|2|", (
        '<div class="table"><table>\n<thead>\n<tr>\n<th>a</th>\n<th class="right">b</th>\n</tr>\n</thead>\n'
        '<tbody>\n<tr>\n<td>1</td>\n<td class="right">2</td>\n</tr>\n</tbody>\n</table></div>\n')),
    "prices are no formulas": ("from $5 to $10", "<p>from $5 to $10</p>\n"),
    "inline formula": ("$a<b$", inline("<mi>a</mi><mo>&lt;</mo><mi>b</mi>")),
    "inline brackets": (r"\(x\)", inline("<mi>x</mi>")),
    "display brackets": ("\\[\nx\n\\]", display("<mi>x</mi>")),
    "a formula ends a paragraph": ("so\n$$\nx\n$$\n", "<p>so</p>\n" + display("<mi>x</mi>")),
    "a full stop after a formula": ("$$x$$.", display("<mi>x</mi>")),
    "brackets in code stay": (r"`\(x\)` `$y$`", r"<p><code>\(x\)</code> <code>$y$</code></p>" + "\n"),
    "a formula that fails": (r"$\frac{$", '<p><code class="math">\\frac{</code></p>\n'),
    "a formula without end": ("$$\nx", '<pre class="math"><code>x</code></pre>\n'),
    "reference link": ("[t]\n\n[t]: https://a.example", anchor("https://a.example", "t")),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str) -> None:
    source, html = GOLDEN[name]
    # Directions have tests of their own, in test_direction.py.
    assert re.sub(' dir="(auto|ltr)"', "", RENDERER.render(source)) == html


def test_user_text_is_shown_as_written() -> None:
    assert user_html("**a** <b>\r\nc & $x$") == '<p dir="auto">**a** &lt;b&gt;<br>c &amp; $x$</p>'


@pytest.mark.parametrize("text", ["\ud800", "a\0b", "x" * 300_000])
def test_odd_text_renders(text: str) -> None:
    assert RENDERER.render(text).startswith('<p dir="auto">')


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_is_enough(theme: str) -> None:
    colours = [TEXT[theme], *(row[1] if theme == "light" else row[2] for row in COLOURS)]
    assert min(contrast(colour, BACKGROUND[theme]) for colour in colours) >= 4.5


def test_style_sheet_has_both_themes() -> None:
    css = highlight_css()
    assert ".highlight .k," in css
    assert ':root[data-theme="dark"] .highlight .k,' in css
    assert css.count("{") == css.count("}") == 2 * (len(COLOURS) + 1) + 1  # of the medium
