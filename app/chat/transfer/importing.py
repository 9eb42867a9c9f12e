"""Stores an imported conversation in short slices, between which others write."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from app.chat.transfer.import_formats import ReadConversation, ReadMessage
from app.chat.transfer.imported_reasoning import separated
from app.domain.feedback import REASONS, Verdict
from app.domain.limits import MAX_COMMENT_CHARS
from app.domain.messages import Conversation, Role
from app.domain.reasoning import Said
from app.errors import StoreError
from app.store.database import Store
from app.store.repositories import Repositories
from app.store.repositories.imports import ImportedMessage, ImportedRating

# The limits of a slice, which takes a few hundredths of a second: as long as others may have to wait.
SLICE_MESSAGES = 100
SLICE_CHARS = 50_000

log = logging.getLogger(__name__)


async def store_conversation(store: Store, user_id: str, found: ReadConversation) -> Conversation:
    """Store `found` and return it once it is complete. Until then nobody sees it; after an error nothing is left.

    If the server ends meanwhile, its next start deletes what was stored.
    """
    messages, leaf_id = await asyncio.to_thread(_messages, found)
    first, last = min(m.created_at for m in messages), max(m.created_at for m in messages)
    conversation_id = await store.write(partial(_begin, user_id, found, found.created_at or first))
    try:
        for part in slices(messages):
            await store.write(partial(_add, user_id, conversation_id, part))
        return await store.write(lambda r: r.imports.publish(conversation_id, leaf_id, last))
    except Exception:
        await _discard(store, conversation_id, messages)
        raise


def slices(messages: Sequence[ImportedMessage]) -> Iterator[Sequence[ImportedMessage]]:
    """`messages` in parts, each within the limits or a single message."""
    start = chars = 0
    for at, message in enumerate(messages):
        chars += len(message.content)
        if at > start and (at - start == SLICE_MESSAGES or chars > SLICE_CHARS):
            yield messages[start:at]
            start, chars = at, len(message.content)
    yield messages[start:]


async def _discard(store: Store, conversation_id: str, messages: Sequence[ImportedMessage]) -> None:
    try:
        for part in slices(messages[::-1]):  # children first
            await store.write(partial(_remove, part))
        await store.write(lambda r: r.imports.end(conversation_id))
    except StoreError as error:  # it stays hidden
        log.warning("the next start deletes what is left of a failed import: %s", error)


def _begin(user_id: str, found: ReadConversation, created_at: datetime, r: Repositories) -> str:
    return r.imports.begin(
        user_id,
        title=found.title,
        system_prompt=found.system_prompt,
        sampling=dict(found.sampling),
        created_at=created_at,
    )


def _add(user_id: str, conversation_id: str, part: Sequence[ImportedMessage], r: Repositories) -> None:
    r.imports.add(user_id, conversation_id, part)


def _remove(part: Sequence[ImportedMessage], r: Repositories) -> None:
    r.imports.discard(part)


def _messages(found: ReadConversation) -> tuple[list[ImportedMessage], str]:
    """The messages under new ids, parents before children, and the id of the shown leaf.

    A message without a date has its parent's. Microseconds keep the order of the file, and children after parents.
    """
    made: dict[str, ImportedMessage] = {}
    dates: dict[str | None, datetime] = {None: found.created_at or datetime.now(UTC)}
    for n, m in enumerate(found.messages):
        dates[m.id] = m.created_at or dates[m.parent_id]
        at = dates[m.id] + timedelta(microseconds=n)
        parent = made[m.parent_id] if m.parent_id is not None else None
        if parent is not None:
            at = max(at, parent.created_at + timedelta(microseconds=1))
        parent_id, model = parent.id if parent else None, m.model or found.model
        said = separated(m.content, m.reasoning) if m.role is Role.ASSISTANT else Said(m.content, "")
        made[m.id] = ImportedMessage(parent_id, m.role, said.text, m.state, at, _rating(m), model, said.reasoning)
    leaf = made.get(found.leaf_id or "") or made[found.messages[-1].id]
    return list(made.values()), leaf.id


def _rating(message: ReadMessage) -> ImportedRating | None:
    """The rating in the file, without what it can't have."""
    given = message.rating
    if not given or message.role is not Role.ASSISTANT or given.get("verdict") not in (Verdict.UP, Verdict.DOWN):
        return None
    reasons = given.get("reasons")
    known = tuple(dict.fromkeys(x for x in reasons if x in REASONS)) if isinstance(reasons, list) else ()
    comment = given.get("comment")
    comment = comment[:MAX_COMMENT_CHARS] if isinstance(comment, str) else ""
    score = given.get("score")
    score = score if type(score) is int and 1 <= score <= 10 else None
    return ImportedRating(Verdict(given["verdict"]), known, comment, score)
