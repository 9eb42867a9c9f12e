"""Incremental Markdown renderer for a running reply.

The text is split into top-level blocks. A block is *closed* once another one has definitely begun, on a complete line
or with a letter: later text can't change it, so it is rendered only once. The text after the closed blocks is rendered
again on each update: one open block, at times two.

A footnote may come after what refers to it: the closed blocks that mention its label are rendered once more.

The joined blocks equal what :meth:`MarkdownRenderer.render` makes of the whole text, with two exceptions: link
reference definitions (``[name]: https://…``) are text here, since a block can't use those that come later; references
to footnotes are where there are very many. The final HTML of a reply is rendered from the whole text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from frontends.render.code import OpenCode
from frontends.render.markdown import MarkdownRenderer, ParsedBlock, normalized

# An unfinished last line with nothing but markup: "-" may become a list item, a rule or the underline of a heading;
# "**" may open or close. Shown too early it would flicker.
_MARKUP_ONLY = re.compile(
    r"[\s>]*(?:[-=*+_#`~|:.$\\\[(! ]+|\d{1,9}[.)]?|(?:`{3,}|~{3,}).*|\[\^[^\]\s]*\]?:?|\$\$.*|\\\[.*)?\Z"
)
AGAIN_LIMIT = 50_000  # characters of closed blocks that are rendered once more because of footnotes
_TABLE_LINE = re.compile(r"\s*\|")


@dataclass(frozen=True, slots=True)
class Block:
    """A top-level block that changed. `html` is empty if there is no block at this index any more, or not yet."""

    index: int
    html: str
    closed: bool  # later text won't change it, except for a footnote that it refers to


class StreamRenderer:
    """Renders one running reply: append its text, then get the blocks that changed."""

    def __init__(self, renderer: MarkdownRenderer, text: str = "") -> None:
        self._renderer = renderer
        self._tail = ""  # the normalized text after the last closed block
        self._held = ""  # a final "\r", which may be the first half of a line end
        self._cut_at = -1  # length of the tail that was examined for closed blocks last
        self._html: list[str] = []  # of each block, as last returned
        self._closed = 0
        self._code = OpenCode()
        self._labels: frozenset[str] = frozenset()  # of the footnotes in closed blocks
        self._waiting: dict[int, ParsedBlock] = {}  # closed blocks that mention labels without a footnote
        self.again_length = 0  # characters of closed blocks that were rendered once more
        self.length = 0  # code points received
        self.append(text)

    @property
    def html_length(self) -> int:
        """Characters of HTML in the open blocks, which the next update may send."""
        return sum(len(html) for html in self._html[self._closed :])

    @property
    def tail_length(self) -> int:
        """Characters of text that the next update renders."""
        return len(self._tail)

    def append(self, text: str) -> None:
        """Add text; it is rendered by :meth:`update`."""
        self.length += len(text)
        text = self._held + text
        self._held = "\r" if text.endswith("\r") else ""
        self._tail += normalized(text[:-1] if self._held else text)

    def update(self, *, final: bool = False) -> list[Block]:
        """Render the new text and return the blocks that changed. `final`: there will be no more text."""
        if final and self._held:
            self._tail, self._held = f"{self._tail}\n", ""
        changed = self._close_blocks()
        text = self._tail if final else _shown(self._tail)
        growing = None if final else self._code
        blocks = self._renderer.parse_blocks(text)
        labels = self._labels.union(*(block.defines for block in blocks))
        rendered = [self._renderer.render_block(block, labels, growing) for block in blocks]
        if final:
            changed += self._again(labels)
        gone = len(self._html) - self._closed - len(rendered)
        for offset, html in enumerate([*rendered, *[""] * gone]):
            index = self._closed + offset
            if index == len(self._html):
                self._html.append("")
            elif self._html[index] == html:
                continue
            self._html[index] = html
            changed.append(Block(index, html, closed=final))
        return changed

    def blocks(self) -> list[Block]:
        """All blocks, as of the last update."""
        return [Block(i, html, closed=i < self._closed) for i, html in enumerate(self._html)]

    def _close_blocks(self) -> list[Block]:
        """Render the blocks that can't change any more and remove them from the tail."""
        end = self._tail.rfind("\n") + 1
        # A letter at the start of an unfinished line is enough, since such a line can't become markup.
        end += end > 0 and self._tail[end : end + 1].isalpha()
        if end == self._cut_at or not end:
            return []
        blocks = self._renderer.parse_blocks(self._tail[:end])
        self._cut_at = end
        if len(blocks) < 2:
            return []
        changed = []
        labels = self._labels.union(*(block.defines for block in blocks[:-1]))
        for block in blocks[:-1]:
            html = self._renderer.render_block(block, labels)
            if block.mentions - labels:
                self._waiting[self._closed] = block
            if self._closed == len(self._html):
                self._html.append("")
            self._html[self._closed] = html
            changed.append(Block(self._closed, html, closed=True))
            self._closed += 1
        changed += self._again(labels)
        cut = _line_start(self._tail, blocks[-1].line)
        self._tail = self._tail[cut:]
        self._cut_at = end - cut
        self._code = OpenCode()
        return changed

    def _again(self, labels: frozenset[str]) -> list[Block]:
        """Render the closed blocks once more that mention footnotes which there are only now."""
        new, self._labels = labels - self._labels, labels
        changed = []
        for index, block in list(self._waiting.items()) if new else ():
            if not block.mentions & new:
                continue
            self.again_length += block.length
            if self.again_length > AGAIN_LIMIT:
                self._waiting.clear()
                break
            self._html[index] = self._renderer.render_block(block, labels)
            changed.append(Block(index, self._html[index], closed=True))
            if not block.mentions - labels:
                del self._waiting[index]
        return changed


def _line_start(text: str, line: int) -> int:
    """Where line number `line` starts. (``splitlines`` splits at ten kinds of line end, Markdown at one.)"""
    at = 0
    for _ in range(line):
        at = text.index("\n", at) + 1
    return at


def _shown(tail: str) -> str:
    """`tail` without an end whose meaning isn't known yet."""
    lines = tail.split("\n")
    if _MARKUP_ONLY.match(lines[-1]):
        lines[-1] = ""
    last = len(lines) if lines[-1] else len(lines) - 1
    first = last
    while first and last - first < 3 and _TABLE_LINE.match(lines[first - 1]):
        first -= 1
    complete = len(lines) - 1  # without the last, unfinished line
    if 0 < last - first <= 2 and complete - first < 2:  # a table's head whose delimiter row is incomplete
        return "\n".join(lines[:first]) + ("\n" if first else "")
    return "\n".join(lines)
