"""The service for exporting and importing conversations, and for removing what was imported."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from functools import partial
from typing import IO

from app.chat.transfer import markdown, parley_json
from app.chat.transfer.archive import Archive
from app.chat.transfer.import_report import ImportReport, OnProgress
from app.chat.transfer.importing import store_all
from app.chat.transfer.reading_process import reading
from app.domain.imported_files import ImportedFile
from app.domain.messages import by_id, path_to
from app.errors import ConversationNotFound, DatabaseDamaged, ImportedFileNotFound
from app.store.database import Store
from app.store.repositories import Repositories

IMPORTS_AT_ONCE = 2  # each takes the memory of a process; others wait


class Transfers:
    """Exports from and imports into the store. One per application. `max_bytes`: of an imported file."""

    def __init__(self, store: Store, max_bytes: int) -> None:
        self._store, self._max_bytes = store, max_bytes
        self._turn = asyncio.Semaphore(IMPORTS_AT_ONCE)

    async def as_json(self, user_id: str, conversation_id: str) -> tuple[str, Iterator[bytes]]:
        """The title, and the whole tree with the user's own ratings as pieces of a JSON text."""
        exported = await self._store.read(partial(parley_json.read, user_id, conversation_id))
        return exported.conversation.title, parley_json.pieces(exported)

    async def as_markdown(self, user_id: str, conversation_id: str, *, with_reasoning: bool = False) -> str:
        """The shown path; the reasoning of its replies if asked for."""

        def work(r: Repositories) -> str:
            conversation = r.conversations.get(user_id, conversation_id)
            messages = by_id(r.messages.all(conversation.id))
            path = path_to(messages, conversation.leaf_id)
            return markdown.dump(conversation, path, with_reasoning=with_reasoning)

        return await self._store.read(work)

    async def as_archive(self, user_id: str) -> AsyncGenerator[bytes, None]:
        """A zip archive of all conversations, in pieces. What is deleted or damaged meanwhile is left out."""
        archive = Archive()
        for conversation_id in await self._store.read(lambda r: r.conversations.ids(user_id)):
            try:
                exported = await self._store.read(partial(parley_json.read, user_id, conversation_id))
            except ConversationNotFound:
                continue
            except DatabaseDamaged:
                archive.count_damaged()
                continue
            yield await asyncio.to_thread(archive.add, exported)
        yield await asyncio.to_thread(archive.end)

    async def load(
        self, user_id: str, file: IO[bytes], on_progress: OnProgress = lambda report: None, *, file_name: str = ""
    ) -> ImportReport:
        """Store the chats, judgements and rows of training data in `file`, a real one, which is called `file_name`.

        Each conversation is stored as a whole or not at all; what can't be taken is told in the report. Raises
        :class:`~app.errors.InvalidImport` if there are none.
        """
        async with self._turn, reading(file, self._max_bytes) as lines, aclosing(lines):
            return await store_all(self._store, user_id, lines, on_progress, file_name)

    async def files(self, user_id: str) -> list[ImportedFile]:
        """The files of training data whose rows are stored."""
        return await self._store.read(lambda r: r.imports.files(user_id))

    async def remove_file(self, user_id: str, name: str) -> int:
        """Remove all rows of a file for good, with their judgements; returns how many there were.

        Others write in between; what an error leaves can be removed again. Raises
        :class:`~app.errors.ImportedFileNotFound`.
        """
        removed = 0
        while some := await self._store.write(lambda r: r.imports.remove_some(user_id, name)):
            removed += some
        if not removed:
            raise ImportedFileNotFound("No rows are stored of a file with this name.", name=name)
        return removed
