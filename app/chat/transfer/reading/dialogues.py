"""Dialogues in rows of training data: a text, a message or a list of messages → messages; and trees made of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.chat.transfer.reading.content import ASSISTANT, author_of
from app.chat.transfer.reading.messages import LINKS, nodes_of
from app.chat.transfer.reading.tree import Found

Turns = list[Mapping[str, Any]]

_MARK = re.compile(r"(?:\A|\n\n)(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def turn(role: str, text: str) -> Mapping[str, Any]:
    """A message."""
    return {"role": role, "content": text}


def turns_of(value: object, role: str) -> Turns | None:
    """The messages of `value`; a text or a message without author is one of `role`. ``None`` if there are none."""
    if isinstance(value, str):
        return [turn(role, value)] if value.strip() else None
    if isinstance(value, Mapping):
        return [value if author_of(value) else {**value, "role": role}] if value else None
    if isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        return list(value)
    return None


def transcript(text: object) -> Turns | None:
    """The messages of a dialogue in one text, as in Anthropic's HH and BELLE's; ``None`` if it is none.

    Each begins with ``Human:`` or ``Assistant:`` after an empty line, and a space or (BELLE) a space and a new line.
    """
    marks = list(_MARK.finditer(text)) if isinstance(text, str) else []
    if not marks or not isinstance(text, str):
        return None
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    texts = [text[mark.end() : end] for mark, end in zip(marks, ends, strict=True)]
    space = " \n" if all(said.startswith(" \n") for said in texts) else " "
    system = [turn("system", text[: marks[0].start()])] if text[: marks[0].start()].strip() else []
    said = [turn(_ROLES[m[1]], text.removeprefix(space)) for m, text in zip(marks, texts, strict=True)]
    return [*system, *said]


def asked(text: str) -> Turns:
    """What a row asks in one text: a question, or a dialogue whose last question is open."""
    found = transcript(text) or []
    if len(found) > 1 and begins_with_reply(found[-1:]) and not str(found[-1]["content"]).strip():
        found = found[:-1]  # ends with "Assistant:"
    is_dialogue = len(found) > 1 or text.startswith("\n\n")
    return found if found and is_dialogue and not begins_with_reply(found[-1:]) else [turn("user", text)]


def begins_with_reply(turns: Sequence[Mapping[str, Any]]) -> bool:
    """Whether its first message is a model's."""
    return bool(turns) and author_of(turns[0]) in ASSISTANT


def tree(prompt: Iterable[Mapping[str, Any]], branches: Iterable[Sequence[Mapping[str, Any]]]) -> Found:
    """A conversation whose prompt has several answers; the first message of the n-th of them has the id ``n.0``."""
    items: list[Mapping[str, Any]] = []
    parent: str | None = None
    for at, one in enumerate(prompt):
        items.append(_linked(one, f"p{at}", parent))
        parent = f"p{at}"
    for n, branch in enumerate(branches):
        before = parent
        for at, one in enumerate(branch):
            items.append(_linked(one, f"{n}.{at}", before))
            before = f"{n}.{at}"
    return nodes_of(enumerate(items))


def part(branches: Sequence[Sequence[Mapping[str, Any]]]) -> int:
    """How many messages the dialogues begin with in common; each has at least one more."""
    shortest = min(map(len, branches)) - 1
    said = [[(author_of(one), _said(one)) for one in branch[:shortest]] for branch in branches]
    return next((at for at in range(shortest) if any(one[at] != said[0][at] for one in said)), max(0, shortest))


def _said(item: Mapping[str, Any]) -> str:
    return repr([item.get(key) for key in ("content", "value", "text")])


def _linked(item: Mapping[str, Any], given: str, parent: str | None) -> Mapping[str, Any]:
    return {**{key: value for key, value in item.items() if key not in LINKS}, "id": given, "parent_id": parent}
