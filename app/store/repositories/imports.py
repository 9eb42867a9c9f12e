"""Repository of conversations that are being imported: stored in slices, and visible only once they are complete.

Until then such a conversation counts as deleted, at a time at which nothing else was. What a crash leaves of it is
deleted at the next start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from app.domain.feedback import Verdict
from app.domain.generation import Usage
from app.domain.ids import new_id
from app.domain.messages import Conversation, MessageState, Role, Timing
from app.store.damage import DamageLog
from app.store.judged_replies_of_log import refresh
from app.store.row_mapping import conversation_from, provenance_columns, timing_columns, usage_columns
from app.store.search import Search, document
from app.store.tables import ConversationRow, MessageRow, RatingRow, SearchRow
from app.store.text_checks import checked, checked_json

UNFINISHED = datetime(1970, 1, 1, tzinfo=UTC)  # ``deleted_at`` of a conversation that is being imported


@dataclass(frozen=True, slots=True)
class ImportedRating:
    """The importing user's rating of an imported reply."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    comment: str = ""
    score: int | None = None


class ImportedMessage:
    """A message to store. Made outside the writer's thread, since indexing a long text takes a while.

    Raises :class:`~app.errors.InvalidRequest` for text that cannot be stored.
    """

    def __init__(
        self,
        parent_id: str | None,
        role: Role,
        content: str,
        state: MessageState,
        created_at: datetime,
        rating: ImportedRating | None = None,
        model: str = "",
        reasoning: str = "",
    ) -> None:
        self.id = new_id()
        self.parent_id, self.role, self.state, self.created_at = parent_id, role, state, created_at
        self.content = checked(content, "text")
        self.reasoning = checked(reasoning, "reasoning")
        self.document = document(content) if content else ""
        self.model = checked(model, "model") if role is Role.ASSISTANT else None
        self.rating = rating
        if rating is not None:
            checked(rating.comment, "comment")


class Imports:
    """The steps of an import: :meth:`begin`, :meth:`add` for each slice, :meth:`publish`.

    To give it up: :meth:`discard` for each slice, last first, and :meth:`end`.
    """

    def __init__(self, session: Session, damage: DamageLog) -> None:
        self._session, self._damage = session, damage
        self._search = Search(session, damage)

    def begin(
        self,
        user_id: str,
        *,
        title: str,
        system_prompt: str,
        sampling: Mapping[str, object],
        created_at: datetime | None = None,
    ) -> str:
        """Create the hidden conversation; returns its id."""
        checked_json(dict(sampling), "sampling")
        at = created_at or datetime.now(UTC)
        row = ConversationRow(
            id=new_id(),
            user_id=user_id,
            title=checked(title, "title"),
            model_id=None,
            system_prompt=checked(system_prompt, "system prompt"),
            sampling=dict(sampling),
            leaf_id=None,
            pinned=False,
            created_at=at,
            updated_at=at,
            deleted_at=UNFINISHED,
        )
        self._session.add(row)
        self._session.flush()
        return row.id

    def add(self, user_id: str, conversation_id: str, messages: Sequence[ImportedMessage]) -> None:
        """Add a slice of messages, parents before children, with the ratings of `user_id`."""
        self._session.execute(insert(MessageRow), [_message_columns(conversation_id, m) for m in messages])
        documents = [
            {"conversation_id": conversation_id, "message_id": m.id, "text": m.document} for m in messages if m.document
        ]
        ratings = [_rating_columns(user_id, m, m.rating) for m in messages if m.rating is not None]
        if documents:
            self._session.execute(insert(SearchRow), documents)
        if ratings:
            self._session.execute(insert(RatingRow), ratings)

    def publish(self, conversation_id: str, leaf_id: str, updated_at: datetime) -> Conversation:
        """Make the complete conversation visible. `updated_at` is the time of its newest message."""
        row = self._session.get_one(ConversationRow, conversation_id)
        row.leaf_id, row.deleted_at, row.updated_at = leaf_id, None, updated_at
        self._session.flush()
        self._search.put_title(row.id, row.title)
        refresh(self._session.connection(), conversation_id)
        return self._damage.required(row, conversation_from)

    def discard(self, message_ids: Sequence[str]) -> None:
        """Delete a slice of messages with their ratings; none may have a child that is left."""
        self._session.execute(delete(MessageRow).where(MessageRow.id.in_(message_ids)))

    def end(self, conversation_id: str) -> None:
        """Delete the hidden conversation with what it still has."""
        self._session.execute(delete(ConversationRow).where(ConversationRow.id == conversation_id))


def _message_columns(conversation_id: str, message: ImportedMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "conversation_id": conversation_id,
        "parent_id": message.parent_id,
        "role": message.role,
        "content": message.content,
        "reasoning": message.reasoning,
        "state": message.state,
        "created_at": message.created_at,
        "imported_model": message.model,
        **provenance_columns(None),
        **usage_columns(Usage()),
        **timing_columns(Timing()),
    }


def _rating_columns(user_id: str, message: ImportedMessage, rating: ImportedRating) -> dict[str, Any]:
    return {
        "id": new_id(),
        "message_id": message.id,
        "user_id": user_id,
        "verdict": rating.verdict,
        "reasons": list(rating.reasons),
        "comment": rating.comment,
        "score": rating.score,
        "created_at": message.created_at,
    }
