"""Repository of rankings. They are append-only: the latest per rater and set of replies counts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from app.domain.feedback import RankedReply, Ranking, RankingSource, ranked
from app.domain.ids import new_id
from app.domain.limits import MAX_RANKED_REPLIES
from app.domain.messages import Message, MessageState, Role
from app.errors import InvalidRequest, RankingNotFound, ReplyRunning
from app.store.damage import DamageLog
from app.store.judged_replies_of_log import refresh
from app.store.repositories.messages import Messages
from app.store.row_mapping import ranking_from
from app.store.tables import ConversationRow, RankingItemRow, RankingRow
from app.store.text_checks import checked, checked_json

_TOGETHER = 1_000  # ids per query


class Rankings:
    """Rankings of replies."""

    def __init__(self, session: Session, damage: DamageLog) -> None:
        self._session, self._damage = session, damage
        self._messages = Messages(session, damage)

    def add(
        self,
        user_id: str,
        source: RankingSource,
        items: Sequence[RankedReply],
        *,
        blind: bool = False,
        both_bad: bool = False,
        withdrawn: bool = False,
    ) -> Ranking:
        """Add a ranking of replies to one prompt in the user's own conversation. It supersedes earlier ones of them.

        Items without ranks make it open; their replies may still be running. Raises
        :class:`~app.errors.MessageNotFound`, :class:`ReplyRunning`, and :class:`InvalidRequest` for an invalid ranking.
        """
        _check(items, both_bad=both_bad)
        messages = [self._messages.get(user_id, item.message_id) for item in items]
        _check_replies(messages, decided=both_bad or items[0].rank is not None)
        row = RankingRow(
            id=new_id(),
            user_id=user_id,
            conversation_id=messages[0].conversation_id,
            prompt_id=messages[0].parent_id,
            source=source,
            blind=blind,
            both_bad=both_bad,
            withdrawn=withdrawn,
            created_at=datetime.now(UTC),
        )
        self._session.add(row)
        self._session.flush()
        rows = [
            RankingItemRow(
                ranking_id=row.id,
                message_id=item.message_id,
                rank=None if both_bad else item.rank,
                position=item.position,
                settings=dict(item.settings),
            )
            for item in ranked(items)
        ]
        self._session.add_all(rows)
        self._session.flush()
        refresh(self._session.connection(), row.conversation_id, row.prompt_id)
        return ranking_from(row, rows)

    def withdraw(self, user_id: str, ranking_id: str) -> Ranking:
        """Withdraw a ranking of one's own; withdrawing it again changes nothing. Raises :class:`RankingNotFound`."""
        row = self._own(user_id, ranking_id)
        ranking = self._damage.required(row, self._ranking)
        latest = self.latest(user_id, row.prompt_id, ranking.message_ids) or ranking
        if latest.withdrawn:
            return latest
        return self.add(user_id, latest.source, latest.items, blind=latest.blind, withdrawn=True)

    def latest(self, user_id: str, prompt_id: str | None, message_ids: Collection[str]) -> Ranking | None:
        """The latest ranking by `user_id` of exactly these replies to a message, also an open or withdrawn one."""
        same = RankingRow.prompt_id == prompt_id if prompt_id is not None else RankingRow.prompt_id.is_(None)
        with_first = select(RankingItemRow.ranking_id).where(RankingItemRow.message_id == min(message_ids))
        query = select(RankingRow).where(RankingRow.user_id == user_id, same, RankingRow.id.in_(with_first))
        newest = self._session.scalars(query.order_by(RankingRow.sequence.desc()).execution_options(yield_per=20))
        with closing(newest) as rows:
            found = self._damage.legible(rows, self._ranking)
            return next((ranking for ranking in found if ranking.message_ids == set(message_ids)), None)

    def current(self, conversation_id: str, user_id: str) -> list[Ranking]:
        """The current rankings of `user_id` in a conversation, also open ones, without withdrawn ones.

        Of others it reads only which replies they order: whoever changes their mind often leaves many behind.
        """
        rows, items = RankingRow, RankingItemRow
        query = select(rows.id, items.message_id).join(items, items.ranking_id == rows.id)
        query = query.where(rows.conversation_id == conversation_id, rows.user_id == user_id).order_by(rows.sequence)
        replies: dict[str, list[str]] = {}
        for ranking_id, message_id in self._session.execute(query):
            replies.setdefault(ranking_id, []).append(message_id)
        latest = {frozenset(messages): ranking_id for ranking_id, messages in replies.items()}
        ids = [ranking_id for ranking_id, messages in replies.items() if latest[frozenset(messages)] == ranking_id]
        parts = (ids[first : first + _TOGETHER] for first in range(0, len(ids), _TOGETHER))
        found = (ranking for part in parts for ranking in self._read(rows.id.in_(part)))
        return [ranking for ranking in found if not ranking.withdrawn]

    def of(self, conversation_id: str) -> list[Ranking]:
        """All rankings of a conversation, of all users, in the order in which they were given; no damaged ones."""
        return self.by_conversation([conversation_id]).get(conversation_id, [])

    def by_conversation(self, conversation_ids: Collection[str]) -> dict[str, list[Ranking]]:
        """:meth:`of` several conversations."""
        found: dict[str, list[Ranking]] = {}
        for ranking in self._read(RankingRow.conversation_id.in_(conversation_ids)):
            found.setdefault(ranking.conversation_id, []).append(ranking)
        return found

    def _read(self, which: ColumnElement[bool]) -> Iterator[Ranking]:
        """Some rankings in the order in which they were given, without damaged ones."""
        rows = list(self._session.scalars(select(RankingRow).where(which).order_by(RankingRow.sequence)))
        items = self._items(which)
        yield from self._damage.legible(rows, lambda row: ranking_from(row, items.get(row.id, [])))

    def _items(self, of_rankings: ColumnElement[bool]) -> dict[str, list[RankingItemRow]]:
        query = select(RankingItemRow).join(RankingRow, RankingRow.id == RankingItemRow.ranking_id).where(of_rankings)
        found: dict[str, list[RankingItemRow]] = {}
        for item in self._session.scalars(query):
            found.setdefault(item.ranking_id, []).append(item)
        return found

    def _ranking(self, row: RankingRow) -> Ranking:
        return ranking_from(row, self._items(RankingRow.id == row.id).get(row.id, []))

    def _own(self, user_id: str, ranking_id: str) -> RankingRow:
        query = select(RankingRow).where(RankingRow.id == checked(ranking_id, "ranking id"))
        row = self._session.scalar(query)
        conversation = self._session.get(ConversationRow, row.conversation_id) if row is not None else None
        gone = conversation is None or conversation.user_id != user_id or conversation.deleted_at is not None
        if row is None or row.user_id != user_id or gone:
            raise RankingNotFound("This comparison doesn't exist. Reload the page.", ranking_id=ranking_id)
        return row


def _check(items: Sequence[RankedReply], *, both_bad: bool) -> None:
    ids = [item.message_id for item in items]
    if not 2 <= len(ids) <= MAX_RANKED_REPLIES:
        raise InvalidRequest(f"Rank between 2 and {MAX_RANKED_REPLIES} replies.", field="items")
    if len(set(ids)) < len(ids):
        raise InvalidRequest("The same reply appears twice. Name each reply once.", field="items")
    without = sum(item.rank is None for item in items)
    if not both_bad and 0 < without < len(items):
        raise InvalidRequest("Give every reply a rank, or none.", field="items")
    if any(item.rank is not None and (isinstance(item.rank, bool) or item.rank < 1) for item in items):
        raise InvalidRequest("A rank must be a whole number from 1.", field="items")
    for item in items:
        checked_json(dict(item.settings), "settings")
    positions = [item.position for item in items if item.position is not None]
    if len(set(positions)) < len(positions) or any(position < 0 for position in positions):
        raise InvalidRequest("Each position must be a different whole number from 0.", field="items")


def _check_replies(messages: Sequence[Message], *, decided: bool) -> None:
    if any(message.role is not Role.ASSISTANT for message in messages):
        raise InvalidRequest("Only replies can be ranked.", field="items")
    if len({(message.conversation_id, message.parent_id) for message in messages}) > 1:
        raise InvalidRequest("Only replies to the same question can be ranked.", field="items")
    for message in messages:
        if decided and message.state is MessageState.PENDING:
            raise ReplyRunning("A reply is still being written. Wait for it, or stop it first.", message_id=message.id)
