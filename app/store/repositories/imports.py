"""Repository of conversations that are being imported.

Short ones are stored in one step, many at a time. A long one is stored in slices, and visible only once it is complete:
until then it counts as deleted, at a time at which nothing else was. What a crash leaves of it is deleted at the next
start. A record that has been imported before is not stored again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, delete, func, insert, or_, select
from sqlalchemy.orm import Session

from app.domain.imported_files import ImportedFile
from app.domain.messages import Conversation
from app.store.damage import DamageLog
from app.store.imported_rows import (
    Columns,
    ImportedConversation,
    ImportedMessage,
    ImportedRanking,
    conversation_columns,
    message_columns,
    ranking_columns,
    rater_id,
    rating_columns,
)
from app.store.judged_replies_of_log import refresh, refresh_whole
from app.store.repositories.users import Users
from app.store.row_mapping import conversation_from
from app.store.search import Search, document
from app.store.tables import ConversationRow, MessageRow, RankingItemRow, RankingRow, RatingRow, SearchRow, UserRow

UNFINISHED = datetime(1970, 1, 1, tzinfo=UTC)  # ``deleted_at`` of a conversation that is being imported


_REMOVED_TOGETHER = 100  # conversations, so that others can write in between


@dataclass(frozen=True, slots=True)
class WholeConversation:
    """A conversation with everything in it; `leaf_id`: the message that is shown last."""

    about: ImportedConversation
    messages: Sequence[ImportedMessage]
    leaf_id: str
    rankings: Sequence[ImportedRanking] = ()

    @property
    def is_judged(self) -> bool:
        """Whether judgements come along."""
        return bool(self.rankings) or any(message.ratings for message in self.messages)


class Imports:
    """Whole conversations with :meth:`add_all`; long ones with :meth:`begin`, :meth:`add`, :meth:`publish`.

    To give a long one up: :meth:`discard` for each slice, last first, and :meth:`end`. To remove all rows of a file of
    training data: :meth:`remove_some` until it returns 0.
    """

    def __init__(self, session: Session, damage: DamageLog) -> None:
        self._session, self._damage = session, damage
        self._search = Search(session, damage)
        self._users = Users(session, damage)

    def known(self, user_id: str, digests: Collection[str]) -> dict[str, Conversation]:
        """The conversations of `user_id` that were read from these records before, also those in the trash."""
        rows = ConversationRow
        query = select(rows).where(rows.user_id == user_id, rows.import_digest.in_(digests))
        found = list(self._session.scalars(query))
        digest_of = {row.id: row.import_digest or "" for row in found}
        return {digest_of[c.id]: c for c in self._damage.legible(found, conversation_from)}

    def add_all(self, user_id: str, conversations: Sequence[WholeConversation]) -> list[Conversation]:
        """Store whole conversations, none of which may be :meth:`known`."""
        rows, titles = [], []
        consents = self._users.consents(user_id)
        for one in conversations:
            row = conversation_columns(user_id, one.about, consents=consents)
            rows.append({**row, "leaf_id": one.leaf_id})
            if one.about.title and one.about.dataset_file is None:
                titles.append({"conversation_id": row["id"], "message_id": None, "text": document(one.about.title)})
        self._insert(ConversationRow, rows)
        self._insert(SearchRow, titles)
        placed = list(zip([row["id"] for row in rows], conversations, strict=True))
        self._add_messages(user_id, [(key, message) for key, one in placed for message in one.messages])
        self._add_rankings(user_id, [(key, ranking) for key, one in placed for ranking in one.rankings])
        refresh_whole(self._session.connection(), [key for key, one in placed if one.is_judged])
        found = select(ConversationRow).where(ConversationRow.id.in_([key for key, _ in placed]))
        made = {row.id: self._damage.required(row, conversation_from) for row in self._session.scalars(found)}
        return [made[key] for key, _ in placed]

    def begin(self, user_id: str, about: ImportedConversation) -> str:
        """Create the hidden conversation; returns its id."""
        columns = conversation_columns(user_id, about, consents=self._users.consents(user_id))
        row = {**columns, "deleted_at": UNFINISHED, "import_digest": None}
        self._insert(ConversationRow, [row])
        return str(row["id"])

    def add(self, user_id: str, conversation_id: str, messages: Sequence[ImportedMessage]) -> None:
        """Add a slice of messages, parents before children, with their ratings."""
        self._add_messages(user_id, [(conversation_id, message) for message in messages])

    def publish(
        self, conversation_id: str, about: ImportedConversation, leaf_id: str, rankings: Sequence[ImportedRanking] = ()
    ) -> Conversation | None:
        """Make the complete conversation visible; ``None`` if another import of the same record was faster."""
        row = self._session.get_one(ConversationRow, conversation_id)
        if about.digest is not None and self.known(row.user_id, [about.digest]):
            return None
        self._add_rankings(row.user_id, [(row.id, ranking) for ranking in rankings])
        row.leaf_id, row.deleted_at, row.import_digest = leaf_id, None, about.digest
        self._session.flush()
        if about.dataset_file is None:
            self._search.put_title(row.id, row.title)
        refresh(self._session.connection(), conversation_id)
        return self._damage.required(row, conversation_from)

    def discard(self, message_ids: Sequence[str]) -> None:
        """Delete a slice of messages with their ratings; none may have a child that is left."""
        self._session.execute(delete(MessageRow).where(MessageRow.id.in_(message_ids)))

    def end(self, conversation_id: str) -> None:
        """Delete the hidden conversation with what it still has."""
        self._session.execute(delete(ConversationRow).where(ConversationRow.id == conversation_id))

    def files(self, user_id: str) -> list[ImportedFile]:
        """The files of training data whose rows are there, by name; also those with rows in the trash."""
        rows, finished = ConversationRow, _finished()
        query = select(rows.dataset_file, func.count()).where(rows.user_id == user_id, finished)
        query = query.where(rows.dataset_file.is_not(None)).group_by(rows.dataset_file).order_by(rows.dataset_file)
        return [ImportedFile(str(name), count) for name, count in self._session.execute(query)]

    def remove_some(self, user_id: str, file_name: str) -> int:
        """Delete some rows of a file for good, with all judgements of them; returns how many."""
        rows = ConversationRow
        query = select(rows.id).where(rows.user_id == user_id, rows.dataset_file == file_name, _finished())
        ids = list(self._session.scalars(query.limit(_REMOVED_TOGETHER)))
        self._session.execute(delete(rows).where(rows.id.in_(ids)))
        return len(ids)

    def _add_messages(self, user_id: str, messages: Sequence[tuple[str, ImportedMessage]]) -> None:
        self._insert(MessageRow, [message_columns(key, message) for key, message in messages])
        texts = [(key, message.id, message.document) for key, message in messages if message.document]
        self._insert(SearchRow, [{"conversation_id": a, "message_id": b, "text": c} for a, b, c in texts])
        self._require_raters(user_id, {rating.rater for _, message in messages for rating in message.ratings})
        self._insert(RatingRow, rating_columns(user_id, [message for _, message in messages]))

    def _add_rankings(self, user_id: str, rankings: Sequence[tuple[str, ImportedRanking]]) -> None:
        self._require_raters(user_id, {ranking.rater for _, ranking in rankings})
        rows, items = ranking_columns(user_id, rankings)
        self._insert(RankingRow, rows)
        self._insert(RankingItemRow, items)

    def _require_raters(self, user_id: str, raters: Iterable[str]) -> None:
        """Create those people who are not there yet. Their names in the file, often addresses, are not kept."""
        wanted = {rater_id(user_id, rater) for rater in raters if rater}
        there = set(self._session.scalars(select(UserRow.id).where(UserRow.id.in_(wanted)))) if wanted else set()
        now = datetime.now(UTC)
        new = [{"id": key, "name": f"rater {key[-6:]}", "created_at": now, "imported": True} for key in wanted - there]
        self._insert(UserRow, new)

    def _insert(
        self,
        table: type[ConversationRow | MessageRow | SearchRow | RatingRow | RankingRow | RankingItemRow | UserRow],
        rows: Sequence[Columns],
    ) -> None:
        if rows:
            # NULL is written out: rows without some columns would be statements of their own.
            self._session.execute(insert(table), rows, execution_options={"render_nulls": True})


def _finished() -> ColumnElement[bool]:
    return or_(ConversationRow.deleted_at.is_(None), ConversationRow.deleted_at != UNFINISHED)
