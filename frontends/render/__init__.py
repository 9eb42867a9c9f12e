"""Markdown as models write it, made into HTML that is safe to show.

    markdown.py   the parser, set up; Markdown → sanitized HTML
    math.py       $…$, $$…$$, \\(…\\), \\[…\\], amsmath → MathML
    code.py       fenced code → <figure class="code">, highlighted with classes
    emphasis.py   **bold** beside Chinese characters
    sanitize.py   the allow-list; runs last over everything
    stream.py     a reply rendered while it is being written
    colours.py    the highlight colours, light and dark, as CSS

It knows nothing of HTTP, conversations or Gradio: text in, HTML out. Nothing is ever fetched.
"""

from __future__ import annotations

from frontends.render.colours import highlight_css
from frontends.render.markdown import MarkdownRenderer, user_html
from frontends.render.stream import Block, StreamRenderer

__all__ = ["Block", "MarkdownRenderer", "StreamRenderer", "highlight_css", "user_html"]
