"""Renders the Markdown of models as sanitized HTML.

    markdown.py   the configured parser; Markdown → sanitized HTML
    math.py       where formulas begin and end: $…$, $$…$$, \\(…\\), \\[…\\], amsmath
    formulas/     LaTeX → MathML
    code.py       fenced code → <figure class="code">, highlighted with classes
    languages.py  the languages that are highlighted
    emphasis.py   **bold** beside Chinese characters
    links.py      links of bare addresses
    inline_tags.py  <br>, <sub>, <sup>, <kbd>, <mark>
    task_lists.py  - [x] done
    footnotes.py  text[^1] and [^1]: the note
    direction.py  the direction of each block
    sanitize.py   the allow-list of tags and attributes; runs last
    stream.py     incremental rendering of a running reply
    colours.py    the highlight colours, light and dark, as CSS
    worker.py     the process that renders, within limits of time, memory and output

Text in, HTML out: it knows nothing of HTTP, conversations or Gradio, and fetches nothing.
"""

from __future__ import annotations

from frontends.render.colours import highlight_css
from frontends.render.markdown import MarkdownRenderer, user_html
from frontends.render.stream import Block, StreamRenderer

__all__ = ["Block", "MarkdownRenderer", "StreamRenderer", "highlight_css", "user_html"]
