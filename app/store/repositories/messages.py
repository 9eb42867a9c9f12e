"""Repository of messages: a tree per conversation. Finished messages never change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.domain.generation import FinishReason, Usage
from app.domain.ids import new_id
from app.domain.messages import Message, MessageState, Provenance, Role, Timing
from app.errors import ConversationNotFound, DatabaseDamaged, MessageNotFound, ReplyNotRunning
from app.store.damage import DamagedRow, DamageLog
from app.store.row_mapping import (
    conversation_from,
    message_from,
    provenance_columns,
    stand_in,
    timing_columns,
    usage_columns,
)
from app.store.search import Search
from app.store.tables import ConversationRow, MessageRow
from app.store.text_checks import checked, storable_details

_NEW_USAGE = Usage()
_NEW_TIMING = Timing()


class Messages:
    """Methods without a user are for the chat service, which has checked the owner of the conversation."""

    def __init__(self, session: Session, damage: DamageLog) -> None:
        self._session, self._damage = session, damage
        self._search = Search(session, damage)

    def add(
        self,
        conversation_id: str,
        parent_id: str | None,
        role: Role,
        content: str,
        state: MessageState,
        *,
        created_at: datetime | None = None,
        finish_reason: FinishReason | None = None,
        error_code: str | None = None,
        error_message: str | None = None,
        error_details: Mapping[str, object] | None = None,
        continues_id: str | None = None,
        corrects_id: str | None = None,
        provenance: Provenance | None = None,
        usage: Usage = _NEW_USAGE,
        timing: Timing = _NEW_TIMING,
        reasoning: str = "",
    ) -> Message:
        """Add a message below `parent_id`. This one, `continues_id` and `corrects_id` must be in the same conversation.

        Raises :class:`MessageNotFound` when one of them isn't, :class:`ConversationNotFound`, and
        :class:`~app.errors.InvalidRequest` for text that cannot be stored. `created_at` is for imported messages.
        """
        conversation = self._session.get(ConversationRow, conversation_id)
        if conversation is None:
            raise ConversationNotFound("This conversation was deleted.", conversation_id=conversation_id)
        self._damage.required(conversation, conversation_from)
        for other in (parent_id, continues_id, corrects_id):
            if other is not None and self._row(other).conversation_id != conversation_id:
                raise _no_message(other)
        row = MessageRow(
            id=new_id(),
            conversation_id=conversation_id,
            parent_id=parent_id,
            role=role,
            content=checked(content, "text"),
            reasoning=checked(reasoning, "reasoning"),
            state=state,
            created_at=created_at or datetime.now(UTC),
            finish_reason=finish_reason,
            error_code=error_code,
            error_message=checked(error_message, "error message") if error_message else None,
            error_details=storable_details(error_details),
            continues_id=continues_id,
            corrects_id=corrects_id,
            **provenance_columns(provenance),
            **usage_columns(usage),
            **timing_columns(timing),
        )
        conversation.updated_at = max(conversation.updated_at, row.created_at)
        self._session.add(row)
        self._session.flush()
        if state is not MessageState.PENDING:
            self._search.put_message(conversation_id, row.id, content)
        return message_from(row)

    def get(self, user_id: str, message_id: str) -> Message:
        """Raises :class:`MessageNotFound` if it doesn't exist, is another user's or its conversation is deleted."""
        row = self._session.get(MessageRow, checked(message_id, "message id"))
        conversation = self._session.get(ConversationRow, row.conversation_id) if row is not None else None
        if (
            row is None
            or conversation is None
            or conversation.user_id != user_id
            or conversation.deleted_at is not None
        ):
            raise _no_message(message_id)
        return self._damage.required(row, message_from)

    def all(self, conversation_id: str) -> list[Message]:
        """The whole tree, oldest first. A damaged message is failed and empty, see :meth:`legible`."""
        query = select(MessageRow).where(MessageRow.conversation_id == conversation_id)
        rows = self._session.scalars(query.order_by(MessageRow.created_at, MessageRow.id))
        return [self._or_stand_in(row) for row in rows]

    def legible(self, conversation_id: str) -> list[Message]:
        """:meth:`all` without damaged ones."""
        return [m for m in self.all(conversation_id) if m.error_code != DatabaseDamaged.code]

    def set_text(self, message_id: str, text: str, reasoning: str = "") -> None:
        """Replace the texts of a running reply, which is not indexed for search until it ends. Idempotent.

        Raises :class:`ReplyNotRunning` for a finished one, :class:`MessageNotFound`.
        """
        grown = (
            update(MessageRow)
            .where(MessageRow.id == message_id, MessageRow.state == MessageState.PENDING)
            .values(content=checked(text, "text"), reasoning=checked(reasoning, "reasoning"))
            .returning(MessageRow.id)
            .execution_options(synchronize_session=False)
        )
        if self._session.execute(grown).first() is None:
            raise self._not_running(message_id)

    def finish(
        self,
        message_id: str,
        state: MessageState,
        *,
        content: str,
        reasoning: str = "",
        finish_reason: FinishReason | None = None,
        usage: Usage = _NEW_USAGE,
        timing: Timing = _NEW_TIMING,
        error_code: str | None = None,
        error_message: str | None = None,
        error_details: Mapping[str, object] | None = None,
    ) -> Message:
        """Finish a running reply with its whole text. Afterwards it never changes.

        Raises :class:`ReplyNotRunning` when it has ended already, :class:`MessageNotFound`.
        """
        row = self._row(message_id)
        if row.state != MessageState.PENDING:
            raise self._not_running(message_id)
        row.content = checked(content, "text")
        row.reasoning = checked(reasoning, "reasoning")
        row.state = state
        row.finish_reason = finish_reason
        row.error_code = error_code
        row.error_message = checked(error_message, "error message") if error_message else None
        row.error_details = storable_details(error_details)
        ends: dict[str, Any] = {**usage_columns(usage), **timing_columns(timing)}
        for name, value in ends.items():
            setattr(row, name, value)
        self._session.flush()
        self._search.put_message(row.conversation_id, row.id, content)
        return message_from(row)

    def interrupt_pending(self) -> int:
        """Mark replies that a crash left running as interrupted, keeping their text; returns their number."""
        rows = list(self._session.scalars(select(MessageRow).where(MessageRow.state == MessageState.PENDING)))
        for row in rows:
            row.state = MessageState.INTERRUPTED
            if isinstance(row.content, str):  # not damaged
                self._search.put_message(row.conversation_id, row.id, row.content)
        self._session.flush()
        return len(rows)

    def _or_stand_in(self, row: MessageRow) -> Message:
        try:
            return message_from(row)
        except DamagedRow as found:
            self._damage.report(found)
            return stand_in(row, found)

    def _row(self, message_id: str) -> MessageRow:
        row = self._session.get(MessageRow, checked(message_id, "message id"))
        if row is None:
            raise _no_message(message_id)
        return row

    def _not_running(self, message_id: str) -> ReplyNotRunning | MessageNotFound:
        if self._session.get(MessageRow, message_id) is None:
            return _no_message(message_id)
        return ReplyNotRunning("This reply has already ended.", message_id=message_id)


def _no_message(message_id: str) -> MessageNotFound:
    return MessageNotFound("This message doesn't exist. Reload the page.", message_id=message_id)
