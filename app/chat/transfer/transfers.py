"""The service for exporting and importing single conversations."""

from __future__ import annotations

from typing import Any

from app.chat.transfer import markdown, parley_json
from app.chat.transfer.import_formats import ReadConversation, ReadMessage, read
from app.domain.feedback import REASONS, Verdict
from app.domain.messages import Conversation, Role, by_id, path_to
from app.store.database import Store
from app.store.repositories import Repositories
from app.store.repositories.ratings import MAX_COMMENT_CHARS


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

    async def as_markdown(self, user_id: str, conversation_id: str) -> str:
        """The shown path."""

        def work(r: Repositories) -> str:
            conversation = r.conversations.get(user_id, conversation_id)
            messages = by_id(r.messages.all(conversation.id))
            return markdown.dump(conversation, path_to(messages, conversation.leaf_id))

        return await self._store.read(work)

    async def load(self, user_id: str, data: object) -> Conversation:
        """Store `data` as a new conversation, in one transaction. Raises :class:`~app.errors.InvalidImport`."""
        found = read(data)

        def work(r: Repositories) -> Conversation:
            conversation = r.conversations.create(
                user_id, title=found.title, system_prompt=found.system_prompt, sampling=dict(found.sampling)
            )
            ids = _add_messages(r, user_id, conversation.id, found)
            leaf_id = ids.get(found.leaf_id or "") or ids[found.messages[-1].id]
            return r.conversations.update(user_id, conversation.id, leaf_id=leaf_id)

        return await self._store.write(work)


def _add_messages(r: Repositories, user_id: str, conversation_id: str, found: ReadConversation) -> dict[str, str]:
    """Store the messages under new ids; a mapping from the file's ids to the new ones."""
    ids: dict[str, str] = {}
    for message in found.messages:
        parent_id = ids[message.parent_id] if message.parent_id is not None else None
        added = r.messages.add(conversation_id, parent_id, message.role, message.content, state=message.state)
        ids[message.id] = added.id
        _add_rating(r, user_id, added.id, message)
    return ids


def _add_rating(r: Repositories, user_id: str, message_id: str, message: ReadMessage) -> None:
    given = message.rating
    if not given or message.role is not Role.ASSISTANT or given.get("verdict") not in (Verdict.UP, Verdict.DOWN):
        return
    reasons = given.get("reasons")
    known = tuple(x for x in reasons if x in REASONS) if isinstance(reasons, list) else ()
    comment = given.get("comment")
    comment = comment[:MAX_COMMENT_CHARS] if isinstance(comment, str) else ""
    score = given.get("score")
    score = score if type(score) is int and 1 <= score <= 10 else None
    r.ratings.add(user_id, message_id, Verdict(given["verdict"]), known, comment, score)
