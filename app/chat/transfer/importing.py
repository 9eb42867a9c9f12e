"""Stores what is read from a file: each conversation in short slices, between which others write."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from app.chat.transfer.reading.report import Skipped
from app.chat.transfer.reading.slices import SLICE_CHARS, SLICE_MESSAGES
from app.chat.transfer.reading_process import parsed
from app.domain.feedback import Verdict
from app.domain.messages import Conversation, MessageState, Role
from app.errors import InvalidImport, InvalidRequest, StoreError
from app.store.database import Store
from app.store.repositories import Repositories
from app.store.repositories.imports import ImportedMessage, ImportedRating

MAX_NAMED = 100  # skipped records that are named; the others are counted

_NOTHING = (
    "There are no messages with text in this file. Parley reads its own exports, {messages: [{role, content}]}, "
    "ShareGPT, rows with instruction and output, and the exports of ChatGPT, Claude, Open WebUI and LibreChat."
)
_NEWER = "This file was written by a newer version of Parley. Update Parley to import it."
_BROKEN = "This file is not JSON, or it is cut off. Export it again."

log = logging.getLogger(__name__)


@dataclass(slots=True)
class ImportReport:
    """What was imported, and what was not."""

    conversations: list[Conversation] = field(default_factory=list)  # in the order of the file
    messages: int = 0
    left_out: Counter[str] = field(default_factory=Counter)  # messages, by :class:`.report.LeftOut`
    changed: Counter[str] = field(default_factory=Counter)  # by :class:`.report.Changed`
    skipped: Counter[str] = field(default_factory=Counter)  # records and files, by :class:`.report.Skipped`
    named: list[Mapping[str, str]] = field(default_factory=list)  # the first of them: reason, name, title
    stopped: StoreError | None = None  # why the rest of the file was not stored

    @property
    def newest(self) -> Conversation:
        """The conversation with the newest message."""
        return max(self.conversations, key=lambda c: c.updated_at)

    def skip(self, reason: str, name: str = "", title: str = "") -> None:
        """Count a skipped record."""
        self.skipped[reason] += 1
        if len(self.named) < MAX_NAMED:
            self.named.append({"reason": reason, "name": name, "title": title})


OnProgress = Callable[[ImportReport], None]
Head = Mapping[str, Any]  # what the reading process says of a conversation
Small = tuple[Head, list[ImportedMessage]]  # a conversation of one slice


async def store_all(store: Store, user_id: str, lines: AsyncIterator[str], on_progress: OnProgress) -> ImportReport:
    """Store the conversations that `lines` of the reading process describe, each as a whole or not at all.

    Raises :class:`InvalidImport` if there is none, and :class:`StoreError` if none could be stored.
    """
    run = _Import(store, user_id, lines, on_progress)
    try:
        await run.run()
    except InvalidImport:
        if not run.report.conversations:
            raise
        run.report.skip(Skipped.BROKEN)  # the rest
    except StoreError as error:
        if not run.report.conversations:
            raise
        run.report.stopped = error
    if not run.report.conversations:
        raise _nothing(run.report)
    return run.report


def _nothing(report: ImportReport) -> InvalidImport:
    reasons = {Skipped.NEWER_VERSION.value: _NEWER, Skipped.BROKEN.value: _BROKEN}
    only = next(iter(report.skipped)) if len(report.skipped) == 1 else ""
    return InvalidImport(reasons.get(only, _NOTHING), skipped=dict(report.skipped))


class _Import:
    """One import. Short conversations share a commit, as far as a slice goes; a long one has several."""

    def __init__(self, store: Store, user_id: str, lines: AsyncIterator[str], on_progress: OnProgress) -> None:
        self.report = ImportReport()
        self._store, self._user_id, self._lines, self._on_progress = store, user_id, lines, on_progress
        self._waiting: list[Small] = []

    async def run(self) -> None:
        """Store everything."""
        async for line in self._lines:
            said = await asyncio.to_thread(parsed, line)
            if "refused" in said:
                await self._flush()
                raise InvalidImport(said["refused"])
            if "skipped" in said:
                self.report.skip(**said["skipped"])
            elif said["conversation"]["slices"] == 1:
                await self._add_small(said["conversation"])
            else:
                await self._flush()
                await self._add_long_or_skip(said["conversation"])
        await self._flush()

    async def _add_small(self, head: Head) -> None:
        messages = await asyncio.to_thread(_messages, await anext(self._lines, "{}"), [])
        if messages is None or await anext(self._lines, None) is None:
            raise InvalidImport("The file could not be read to its end.")
        self._waiting.append((head, messages))
        waiting = [m for _, part in self._waiting for m in part]
        if len(waiting) >= SLICE_MESSAGES or sum(len(m.content) for m in waiting) >= SLICE_CHARS:
            await self._flush()

    async def _flush(self) -> None:
        """Store the short conversations; if that fails, one by one, so that none spoils the others."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            made = await self._store.write(partial(_store_small, self._user_id, waiting))
        except InvalidRequest as error:
            if len(waiting) == 1:
                self._skip(waiting[0][0], error)
                return
            for one in waiting:
                self._waiting = [one]
                await self._flush()
            return
        self.report.messages += sum(len(messages) for _, messages in waiting)
        for conversation, (head, _) in zip(made, waiting, strict=True):
            self._took(conversation, head)

    def _skip(self, head: Head, error: InvalidRequest) -> None:
        log.warning("a conversation was not imported: %s", error)
        self.report.skip(Skipped.NOT_STORED, title=head["title"])

    async def _add_long_or_skip(self, head: Head) -> None:
        try:
            await self._add_long(head)
        except InvalidImport:  # the file ends here
            raise
        except InvalidRequest as error:
            self._skip(head, error)
            async for line in self._lines:
                if line.startswith('{"end"'):
                    break

    async def _add_long(self, head: Head) -> None:
        """Store a conversation slice by slice. Until its end nobody sees it; after an error nothing is left.

        If the server ends meanwhile, its next start deletes what was stored.
        """
        conversation_id = await self._store.write(partial(_begin, self._user_id, head))
        ids: list[str] = []
        try:
            async for line in self._lines:
                part = await asyncio.to_thread(_messages, line, ids)
                if part is None:
                    break  # its end: if the process ends before, the lines end with an error
                await self._store.write(partial(_add, self._user_id, conversation_id, part))
                ids += [m.id for m in part]
                self.report.messages += len(part)
                self._on_progress(self.report)
            made = await self._store.write(partial(_publish, conversation_id, ids[head["leaf"]], head))
        except BaseException:
            self.report.messages -= len(ids)
            await asyncio.shield(_discard(self._store, conversation_id, ids))
            raise
        self._took(made, head)

    def _took(self, conversation: Conversation, head: Head) -> None:
        self.report.conversations.append(conversation)
        self.report.left_out.update(head["left_out"])
        self.report.changed.update(head["changed"])
        self._on_progress(self.report)


def _begin(user_id: str, head: Head, r: Repositories) -> str:
    return r.imports.begin(
        user_id,
        title=head["title"],
        system_prompt=head["system_prompt"],
        sampling=head["sampling"],
        created_at=datetime.fromisoformat(head["created_at"]),
    )


def _publish(conversation_id: str, leaf_id: str, head: Head, r: Repositories) -> Conversation:
    return r.imports.publish(conversation_id, leaf_id, datetime.fromisoformat(head["updated_at"]))


def _store_small(user_id: str, waiting: Sequence[Small], r: Repositories) -> list[Conversation]:
    made = []
    for head, messages in waiting:
        conversation_id = _begin(user_id, head, r)
        r.imports.add(user_id, conversation_id, messages)
        made.append(_publish(conversation_id, messages[head["leaf"]].id, head, r))
    return made


async def _discard(store: Store, conversation_id: str, ids: Sequence[str]) -> None:
    try:
        for at in range(len(ids), 0, -100):  # children first
            await store.write(partial(_remove, ids[max(0, at - 100) : at]))
        await store.write(lambda r: r.imports.end(conversation_id))
    except StoreError as error:  # it stays hidden
        log.warning("the next start deletes what is left of a failed import: %s", error)


def _add(user_id: str, conversation_id: str, part: Sequence[ImportedMessage], r: Repositories) -> None:
    r.imports.add(user_id, conversation_id, part)


def _remove(part: Sequence[str], r: Repositories) -> None:
    r.imports.discard(part)


def _messages(line: str, ids: Sequence[str]) -> list[ImportedMessage] | None:
    """The messages of a line under new ids; `ids` are those before them. None at the end of the conversation."""
    said = parsed(line)
    if "messages" not in said:
        return None
    made: list[ImportedMessage] = []
    for parent, role, content, state, created_at, model, rating, reasoning in said["messages"]:
        parent_id = None if parent is None else ids[parent] if parent < len(ids) else made[parent - len(ids)].id
        at = datetime.fromisoformat(created_at)
        how = (Role(role), content, MessageState(state), at)
        made.append(ImportedMessage(parent_id, *how, _rating(rating), model, reasoning))
    return made


def _rating(given: Mapping[str, Any] | None) -> ImportedRating | None:
    if given is None:
        return None
    return ImportedRating(Verdict(given["verdict"]), tuple(given["reasons"]), given["comment"], given["score"])
