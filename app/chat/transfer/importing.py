"""Stores what is read from a file: each conversation in short slices, between which others write."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial

from app.chat.transfer.import_report import ImportReport, OnProgress
from app.chat.transfer.reading.report import Skipped
from app.chat.transfer.reading.slices import SLICE_CHARS, SLICE_MESSAGES
from app.chat.transfer.reading_lines import Head, conversation_of, messages_of, rankings_of, whole
from app.chat.transfer.reading_process import parsed
from app.domain.messages import Conversation
from app.errors import InvalidImport, InvalidRequest, StoreError
from app.store.database import Store
from app.store.imported_rows import ImportedConversation, ImportedMessage, ImportedRanking, StoredMessage
from app.store.repositories import Repositories
from app.store.repositories.imports import WholeConversation

_NOTHING = (
    "There are no messages with text in this file. Parley reads its own exports, {messages: [{role, content}]}, "
    "ShareGPT, rows of training data such as {prompt, chosen, rejected} or {instruction, output}, votes of FastChat, "
    "trees of Open-Assistant, and the exports of ChatGPT, Claude, Open WebUI and LibreChat."
)
_REASONS: Mapping[str, str] = {
    Skipped.NEWER_VERSION: "This file was written by a newer version of Parley. Update Parley to import it.",
    Skipped.BROKEN: "This file is not JSON, or it is cut off. Export it again.",
    Skipped.TOO_LARGE: "This file is one value that is too large. Import it in parts, or as JSON Lines.",
    Skipped.NO_VOTE: "There are no votes in this file, only steps of chats.",
    Skipped.OTHER_PROMPTS: "The replies in this file were written for different questions, so none is better.",
}

log = logging.getLogger(__name__)


async def store_all(
    store: Store, user_id: str, lines: AsyncIterator[str], on_progress: OnProgress, file_name: str = ""
) -> ImportReport:
    """Store the conversations that `lines` of the reading process describe, each as a whole or not at all.

    What was imported before is not stored again. `file_name`: of the rows of datasets. Raises :class:`InvalidImport` if
    there is none, and :class:`StoreError` if none could be stored.
    """
    run = _Import(store, user_id, lines, on_progress, file_name)
    try:
        await run.run()
    except InvalidImport:
        if run.report.newest is None:
            raise
        run.report.skip(Skipped.BROKEN)  # the rest
    except StoreError as error:
        if run.report.newest is None:
            raise
        run.report.stopped = error
    if run.report.newest is None:
        raise _nothing(run.report)
    return run.report


def _nothing(report: ImportReport) -> InvalidImport:
    only = next(iter(report.skipped)) if len(report.skipped) == 1 else ""
    return InvalidImport(_REASONS.get(only, _NOTHING), skipped=dict(report.skipped))


class _Import:
    """One import. Short conversations share a commit, as far as a slice goes; a long one has several."""

    def __init__(
        self, store: Store, user_id: str, lines: AsyncIterator[str], on_progress: OnProgress, file_name: str
    ) -> None:
        self.report = ImportReport()
        self._store, self._user_id, self._lines, self._on_progress = store, user_id, lines, on_progress
        self._file_name = file_name
        self._waiting: list[tuple[Head, WholeConversation]] = []

    async def run(self) -> None:
        """Store everything."""
        async for line in self._lines:
            said = await asyncio.to_thread(parsed, line)
            if "refused" in said:
                await self._flush()
                raise InvalidImport(said["refused"])
            if "read" in said:
                self.report.read = said["read"]
                self._on_progress(self.report)
            elif "skipped" in said:
                self.report.skip(**said["skipped"])
            elif said["conversation"]["slices"] == 1:
                await self._add_small(said["conversation"])
            else:
                await self._flush()
                await self._add_long_or_skip(said["conversation"])
        await self._flush()

    async def _add_small(self, head: Head) -> None:
        line, end = await anext(self._lines, None), await anext(self._lines, None)
        if line is None or end is None:
            raise InvalidImport("The file could not be read to its end.")
        try:
            self._waiting.append((head, await asyncio.to_thread(whole, head, line, self._file_name)))
        except InvalidRequest as error:
            self._skip(head, error)
            return
        messages = [m for _, one in self._waiting for m in one.messages]
        if len(messages) >= SLICE_MESSAGES or sum(len(m.content) + len(m.reasoning) for m in messages) >= SLICE_CHARS:
            await self._flush()

    async def _flush(self) -> None:
        """Store the short conversations; if that fails, one by one, so that none spoils the others."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            stored = await self._store.write(partial(_store_whole, self._user_id, [one for _, one in waiting]))
        except InvalidRequest as error:
            if len(waiting) == 1:
                self._skip(waiting[0][0], error)
                return
            for alone in waiting:
                self._waiting = [alone]
                await self._flush()
            return
        for (conversation, is_new), (head, one) in zip(stored, waiting, strict=True):
            if is_new:
                self.report.messages += len(one.messages)
                self._took(conversation, head, [message.stored for message in one.messages], one.rankings)
            else:
                self._recognize(conversation, await self._restored(conversation))

    def _skip(self, head: Head, error: InvalidRequest) -> None:
        log.warning("a conversation was not imported: %s", error)
        self.report.skip(Skipped.NOT_STORED, title=head["title"])

    async def _restored(self, conversation: Conversation) -> Conversation | None:
        """A conversation that was imported before, out of the trash; ``None`` if it isn't there."""
        if conversation.deleted_at is None:
            return None
        return await self._store.write(lambda r: r.conversations.restore(self._user_id, conversation.id))

    def _recognize(self, known: Conversation, restored: Conversation | None) -> None:
        if restored is None:
            self.report.recognize(known)
        else:
            self.report.take(restored)
        self._on_progress(self.report)

    async def _add_long_or_skip(self, head: Head) -> None:
        about = conversation_of(head, self._file_name)
        known = await self._store.read(lambda r: r.imports.known(self._user_id, [head["digest"]]))
        try:
            if head["digest"] not in known:
                await self._add_long(head, about)
                return
            found = known[head["digest"]]
            self._recognize(found, await self._restored(found))
        except InvalidImport:  # the file ends here
            raise
        except InvalidRequest as error:
            self._skip(head, error)
        async for line in self._lines:
            if line.startswith('{"end"'):
                break

    async def _add_long(self, head: Head, about: ImportedConversation) -> None:
        """Store a conversation slice by slice. Until its end nobody sees it; after an error nothing is left.

        If the server ends meanwhile, its next start deletes what was stored.
        """
        conversation_id = await self._store.write(lambda r: r.imports.begin(self._user_id, about))
        messages: list[StoredMessage] = []
        try:
            async for line in self._lines:
                part = await asyncio.to_thread(messages_of, line, messages, searchable=about.dataset_file is None)
                if part is None:
                    break  # its end: if the process ends before, the lines end with an error
                await self._store.write(partial(_add, self._user_id, conversation_id, part))
                messages += [message.stored for message in part]
                self.report.messages += len(part)
                self._on_progress(self.report)
            rankings = rankings_of(head, messages)
            leaf_id = messages[head["leaf"]].id
            made = await self._store.write(lambda r: r.imports.publish(conversation_id, about, leaf_id, rankings))
        except BaseException:
            self.report.messages -= len(messages)
            await asyncio.shield(_discard(self._store, conversation_id, [message.id for message in messages]))
            raise
        if made is None:
            self.report.messages -= len(messages)
            await asyncio.shield(_discard(self._store, conversation_id, [message.id for message in messages]))
            known = await self._store.read(lambda r: r.imports.known(self._user_id, [head["digest"]]))
            self._recognize(known[head["digest"]], None)
        else:
            self._took(made, head, messages, rankings)

    def _took(
        self,
        conversation: Conversation,
        head: Head,
        messages: Sequence[StoredMessage],
        rankings: Sequence[ImportedRanking],
    ) -> None:
        report = self.report
        report.take(conversation)
        report.ratings += sum(message.rated for message in messages)
        report.rankings += len(rankings)
        report.left_out.update(head["left_out"])
        report.changed.update(head["changed"])
        self._on_progress(report)


def _store_whole(user_id: str, given: Sequence[WholeConversation], r: Repositories) -> list[tuple[Conversation, bool]]:
    """The conversations with whether they are new. Of two with the same digest the second isn't."""
    found = r.imports.known(user_id, [one.about.digest for one in given if one.about.digest is not None])
    new: dict[str, WholeConversation] = {}
    for one in given:
        if (digest := one.about.digest or "") not in found:
            new.setdefault(digest, one)
    made = dict(zip(new, r.imports.add_all(user_id, list(new.values())), strict=True))
    stored = []
    for one in given:
        digest = one.about.digest or ""
        stored.append(((found | made)[digest], new.get(digest) is one))
    return stored


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
