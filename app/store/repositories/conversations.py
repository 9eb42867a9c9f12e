"""Repository of conversations. Every access names the owner: other users' conversations are not found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Unpack

from sqlalchemy import delete, func, or_, select, tuple_
from sqlalchemy.orm import Session

from app.domain.ids import new_id
from app.domain.messages import Conversation, ConversationChanges, SearchHit
from app.errors import ConversationNotFound, MessageNotFound
from app.store.damage import DamageLog
from app.store.repositories.imports import UNFINISHED
from app.store.repositories.users import Users
from app.store.row_mapping import conversation_from
from app.store.search import Search
from app.store.tables import ConversationRow, MessageRow
from app.store.text_checks import checked, checked_json


class Conversations:
    """Conversations are listed by `updated_at`, the time of the last message: renaming does not move them."""

    def __init__(self, session: Session, damage: DamageLog) -> None:
        self._session, self._damage = session, damage
        self._search = Search(session, damage)
        self._users = Users(session, damage)

    def create(
        self,
        user_id: str,
        *,
        title: str = "",
        model_id: str | None = None,
        system_prompt: str = "",
        sampling: Mapping[str, object] | None = None,
        created_at: datetime | None = None,
        allow_training: bool | None = None,
    ) -> Conversation:
        """Create a conversation of `user_id`; `created_at` is for imported ones.

        `allow_training`: ``None``: as this person has said for all new ones.
        """
        now = created_at or datetime.now(UTC)
        row = ConversationRow(
            id=new_id(),
            user_id=user_id,
            title=title,
            model_id=model_id,
            system_prompt=system_prompt,
            sampling=dict(sampling or {}),
            leaf_id=None,
            pinned=False,
            created_at=now,
            updated_at=now,
            deleted_at=None,
            allow_training=self._users.consents(user_id) if allow_training is None else allow_training,
        )
        _check(row)
        self._session.add(row)
        self._session.flush()
        self._search.put_title(row.id, title)
        return self._damage.required(row, conversation_from)

    def get(self, user_id: str, conversation_id: str, *, include_deleted: bool = False) -> Conversation:
        """Raises :class:`ConversationNotFound` if it doesn't exist, belongs to another user or is deleted."""
        row = self._row(user_id, conversation_id, include_deleted=include_deleted)
        return self._damage.required(row, conversation_from)

    def list(self, user_id: str, *, limit: int, before: str | None = None) -> list[Conversation]:
        """Pinned ones first, then those with the newest messages; `before`: the id of the last one seen.

        Rows of datasets are not listed: there may be a million of them. The list continues after that one's current
        position. Raises :class:`ConversationNotFound` if it was purged.
        """
        rows = ConversationRow
        query = select(rows).where(rows.user_id == user_id, rows.deleted_at.is_(None), rows.dataset_file.is_(None))
        if before is not None:
            last = self._row(user_id, before, include_deleted=True)
            same = (rows.pinned == last.pinned) & (tuple_(rows.updated_at, rows.id) < tuple_(last.updated_at, last.id))
            query = query.where(or_(same, rows.pinned.is_(False)) if last.pinned else same)
        query = query.order_by(rows.pinned.desc(), rows.updated_at.desc(), rows.id.desc())
        every = self._session.scalars(query.execution_options(yield_per=limit))  # not LIMIT: damaged ones are left out
        with closing(every) as found:
            return list(islice(self._damage.legible(found, conversation_from), limit))

    def ids(self, user_id: str) -> Sequence[str]:
        """The ids of all chats of `user_id` that have messages, oldest first; not those in the trash."""
        rows = ConversationRow
        has_messages = select(MessageRow.id).where(MessageRow.conversation_id == rows.id).exists()
        query = select(rows.id).where(rows.user_id == user_id, rows.deleted_at.is_(None), has_messages)
        query = query.where(rows.dataset_file.is_(None))
        return self._session.scalars(query.order_by(rows.updated_at, rows.id)).all()

    def search(self, user_id: str, text: str, limit: int) -> Sequence[SearchHit]:
        """The conversations of `user_id` whose titles or messages with all words of `text` are newest.

        The one that was changed last comes first.
        """
        return self._search.find(user_id, text, limit)

    def update(self, user_id: str, conversation_id: str, **changes: Unpack[ConversationChanges]) -> Conversation:
        """Change the given fields."""
        row = self._row(user_id, conversation_id)
        if changes.get("leaf_id") is not None:
            self._require_message(conversation_id, changes["leaf_id"])
        if "sampling" in changes or "sampling_changes" in changes:
            sampling = {**changes.pop("sampling", row.sampling), **changes.pop("sampling_changes", {})}
            row.sampling = {name: value for name, value in sampling.items() if value is not None}
        for name, value in changes.items():
            setattr(row, name, value)
        _check(row)
        self._session.flush()
        if "title" in changes:
            self._search.put_title(row.id, row.title)
        return self._damage.required(row, conversation_from)

    def delete(self, user_id: str, conversation_id: str) -> None:
        """Move to the trash, from which :meth:`restore` can restore it until it is purged."""
        self._row(user_id, conversation_id).deleted_at = datetime.now(UTC)

    def restore(self, user_id: str, conversation_id: str) -> Conversation:
        """Restore from the trash; no change if it isn't there."""
        row = self._row(user_id, conversation_id, include_deleted=True)
        row.deleted_at = None
        self._session.flush()
        return self._damage.required(row, conversation_from)

    def purge(self, trash_days: int) -> int:
        """Delete conversations that were in the trash for more than `trash_days`; returns their number.

        A clock that has jumped must not empty the trash. So these many days must also have been seen: messages must
        have been written on as many different days since. Unfinished imports are always deleted.
        """
        rows = ConversationRow
        self._session.execute(delete(rows).where(rows.deleted_at == UNFINISHED))
        limit = datetime.now(UTC) - timedelta(days=trash_days)
        trash = self._session.execute(select(rows.id, rows.deleted_at).where(rows.deleted_at <= limit))
        due = {given: at for given, at in trash if isinstance(at, datetime)}  # the others are damaged
        if not due:
            return 0
        days = self._days_with_messages(since=min(due.values()))
        ids = [given for given, at in due.items() if sum(day > str(at.date()) for day in days) >= trash_days]
        self._session.execute(delete(rows).where(rows.id.in_(ids)))
        return len(ids)

    def _days_with_messages(self, *, since: datetime) -> Sequence[str]:
        """The days (UTC, like ``2026-11-24``) on which messages were written."""
        day = func.date(MessageRow.created_at)
        found = self._session.scalars(select(day).where(MessageRow.created_at > since).distinct())
        return [str(given) for given in found if given is not None]

    def _row(self, user_id: str, conversation_id: str, *, include_deleted: bool = False) -> ConversationRow:
        row = self._session.get(ConversationRow, checked(conversation_id, "conversation id"))
        if row is None or row.user_id != user_id or row.deleted_at == UNFINISHED:
            raise _no_conversation(conversation_id)
        if row.deleted_at is not None and not include_deleted:
            raise _no_conversation(conversation_id)
        return row

    def _require_message(self, conversation_id: str, message_id: str | None) -> None:
        row = self._session.get(MessageRow, checked(message_id or "", "message id"))
        if row is None or row.conversation_id != conversation_id:
            raise MessageNotFound(
                "This message isn't part of the conversation. Reload the page.", message_id=message_id
            )


def _check(row: ConversationRow) -> None:
    checked(row.title, "title")
    checked(row.model_id or "", "model id")
    checked(row.system_prompt, "system prompt")
    checked_json(row.sampling, "sampling")


def _no_conversation(conversation_id: str) -> ConversationNotFound:
    return ConversationNotFound(
        "This conversation doesn't exist or was deleted. Choose another one.", conversation_id=conversation_id
    )
