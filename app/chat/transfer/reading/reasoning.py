"""The reasoning of replies in files: a field of its own, or the beginning of the text.

Open WebUI keeps it in the text as ``<details type="reasoning" …><summary>…</summary>`` with quoted lines.
https://docs.openwebui.com/features/chat-conversations/chat-features/reasoning-models
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.chat.transfer.reading.values import storable
from app.domain.limits import MAX_MESSAGE_CHARS
from app.domain.reasoning import Said, split

_FIELDS = ("reasoning", "reasoning_content")
_DETAILS = re.compile(
    r"\s*<details type=\"reasoning\"[^>]{0,200}>\s*<summary>[^<]{0,200}</summary>(.*?)</details>\s*", re.S
)


def reasoning_of(record: Mapping[str, Any], parts: Sequence[str] = ()) -> str:
    """The reasoning that a message of a file has as a field, else as `parts` of its content; ``""`` if none."""
    given = next((value for name in _FIELDS if isinstance(value := record.get(name), str) and value), "")
    return given or "\n".join(part for part in parts if part)


def separated(content: str, reasoning: str) -> Said:
    """A reply and its reasoning, which may be the beginning of its `content`."""
    if reasoning:
        return Said(content, storable(reasoning[:MAX_MESSAGE_CHARS]))
    details = _DETAILS.match(content)
    if details is None:
        return split(content)
    lines = (line.removeprefix(">").removeprefix(" ") for line in details[1].strip().split("\n"))
    return Said(content[details.end() :], html.unescape("\n".join(lines)))
