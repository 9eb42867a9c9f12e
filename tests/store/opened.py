"""A store with words for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from app.domain.messages import Conversation, Message, MessageState, Role
from app.store import Repositories, Store

T = TypeVar("T")


@dataclass(frozen=True)
class Opened:
    """The store, and where it lies."""

    store: Store
    url: str
    data_dir: Path

    def write(self, work: Callable[[Repositories], T]) -> T:
        return self.store.submit(work).result(timeout=60)

    def conversation(self, user_id: str = "local", title: str = "", **fields: object) -> Conversation:
        return self.write(lambda r: r.conversations.create(user_id, title=title, **fields))  # type: ignore[arg-type]

    def question(self, conversation: Conversation, text: str, parent: Message | None = None) -> Message:
        return self._add(conversation, parent, Role.USER, text, MessageState.COMPLETE)

    def reply(
        self, parent: Message, text: str = "", state: MessageState = MessageState.COMPLETE, **fields: object
    ) -> Message:
        return self.write(
            lambda r: r.messages.add(
                parent.conversation_id,
                parent.id,
                Role.ASSISTANT,
                text,
                state,
                **fields,  # type: ignore[arg-type]
            )
        )

    def _add(self, c: Conversation, parent: Message | None, role: Role, text: str, state: MessageState) -> Message:
        return self.write(lambda r: r.messages.add(c.id, parent.id if parent else None, role, text, state))
