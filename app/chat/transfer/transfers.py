"""The service for exporting and importing single conversations."""

from __future__ import annotations

import asyncio
from typing import Any

from app.chat.transfer import markdown, parley_json
from app.chat.transfer.import_formats import read
from app.chat.transfer.importing import store_conversation
from app.domain.messages import Conversation, by_id, path_to
from app.store.database import Store
from app.store.repositories import Repositories


class Transfers:
    """Exports from and imports into the store. One per application."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def as_json(self, user_id: str, conversation_id: str) -> dict[str, Any]:
        """The whole tree with the user's own ratings."""

        def work(r: Repositories) -> dict[str, Any]:
            conversation = r.conversations.get(user_id, conversation_id)
            return parley_json.dump(
                conversation, r.messages.all(conversation.id), r.ratings.latest(conversation.id, user_id)
            )

        return await self._store.read(work)

    async def as_markdown(self, user_id: str, conversation_id: str, *, with_reasoning: bool = False) -> str:
        """The shown path; the reasoning of its replies if asked for."""

        def work(r: Repositories) -> str:
            conversation = r.conversations.get(user_id, conversation_id)
            messages = by_id(r.messages.all(conversation.id))
            path = path_to(messages, conversation.leaf_id)
            return markdown.dump(conversation, path, with_reasoning=with_reasoning)

        return await self._store.read(work)

    async def load(self, user_id: str, data: object) -> Conversation:
        """Store `data` as a new conversation, all of it or nothing. Raises :class:`~app.errors.InvalidImport`."""
        found = await asyncio.to_thread(read, data)
        return await store_conversation(self._store, user_id, found)
