"""Tells the chats of a person from the rows of a dataset, which would drown them in the list of chats.

Rows with judgements, and rows of training data, are known by their form. Conversations look the same in both; those of
a person have titles or dates, and more than a few hundred without are a dataset such as ShareGPT's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from app.chat.transfer.reading.records import Unread
from app.chat.transfer.reading.tree import ReadConversation

MAX_UNNAMED = 200  # conversations without titles and dates that may be chats
_MAX_WAITING, _MAX_CHARS = 2_000, 4_000_000  # records that wait for the decision, and their texts


def marked(found: Iterable[ReadConversation | Unread]) -> Iterator[ReadConversation | Unread]:
    """`found`, the rows of datasets marked as such. Decided by the first unnamed conversations of a file."""
    waiting: list[ReadConversation | Unread] = []
    chars = unnamed = 0
    is_dataset: bool | None = None
    for one in found:
        if is_dataset is None:
            waiting.append(one)
            if isinstance(one, ReadConversation):
                unnamed += not one.is_named and not one.is_row
                chars += sum(len(m.content) + len(m.reasoning) for m in one.messages)
                is_chat = one.is_named and not one.is_row
                too_much = chars > _MAX_CHARS or len(waiting) > _MAX_WAITING
                is_dataset = True if unnamed > MAX_UNNAMED else False if is_chat or too_much else None
            if is_dataset is None and unnamed:
                continue
            yield from (_marked(each, is_dataset=is_dataset is True) for each in waiting)
            waiting.clear()
        else:
            yield _marked(one, is_dataset=is_dataset)
    yield from waiting


def _marked(one: ReadConversation | Unread, *, is_dataset: bool) -> ReadConversation | Unread:
    if isinstance(one, ReadConversation) and is_dataset and not one.is_named:
        return replace(one, is_row=True)
    return one
