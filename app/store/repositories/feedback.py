"""Repository of feedback as a whole: conversations with all judgements of their replies, and reviews of judgements."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.domain.feedback import ConversationFeedback, Decision, Review
from app.domain.ids import new_id
from app.domain.limits import MAX_COMMENT_CHARS
from app.errors import InvalidRequest, JudgementNotFound
from app.store.damage import DamageLog
from app.store.judged_replies_of_log import refresh
from app.store.repositories.messages import Messages
from app.store.repositories.rankings import Rankings
from app.store.repositories.ratings import Ratings
from app.store.row_mapping import conversation_from, review_from
from app.store.tables import ConversationRow, MessageRow, RankingRow, RatingRow, ReviewRow
from app.store.text_checks import checked


class Feedback:
    """Reads across all users: for the owner of the installation and for administrators."""

    def __init__(self, session: Session, damage: DamageLog) -> None:
        self._session, self._damage = session, damage
        self._messages = Messages(session, damage)
        self._ratings = Ratings(session, damage)
        self._rankings = Rankings(session, damage)

    def conversations(self, conversation_ids: Collection[str] = ()) -> Iterator[ConversationFeedback]:
        """Every conversation with a judgement, of all users, oldest first, with one in memory at a time.

        Limited to `conversation_ids` if given; without deleted conversations, and without damaged rows.
        """
        for conversation_id in self.conversation_ids(conversation_ids):
            row = self._session.get_one(ConversationRow, conversation_id)
            for found in self._damage.legible([row], conversation_from):
                yield ConversationFeedback(
                    found,
                    tuple(self._messages.legible(row.id)),
                    tuple(self._ratings.of(row.id)),
                    tuple(self._rankings.of(row.id)),
                    tuple(self._reviews_of(row.id)),
                )
            self._session.expunge_all()

    def conversation_ids(self, among: Collection[str] = ()) -> list[str]:
        """The ids of the conversations with a judgement, oldest first; without deleted ones."""
        rated = select(MessageRow.conversation_id).join(RatingRow, RatingRow.message_id == MessageRow.id)
        ranked = select(RankingRow.conversation_id)
        judged = or_(ConversationRow.id.in_(rated), ConversationRow.id.in_(ranked))
        query = select(ConversationRow.id).where(ConversationRow.deleted_at.is_(None), judged)
        if among:
            query = query.where(ConversationRow.id.in_(among))
        return list(self._session.scalars(query.order_by(ConversationRow.id)))

    def review(self, reviewer_id: str, judgement_id: str, decision: Decision, note: str = "") -> Review:
        """Add a decision about a rating or ranking, of any user. It supersedes earlier ones, which stay stored.

        Raises :class:`JudgementNotFound` and :class:`InvalidRequest`.
        """
        if len(checked(note, "note")) > MAX_COMMENT_CHARS:
            raise InvalidRequest(f"A note can have at most {MAX_COMMENT_CHARS} characters.", field="note")
        given = checked(judgement_id, "judgement id")
        is_rating = self._session.scalar(select(RatingRow.id).where(RatingRow.id == given)) is not None
        if not is_rating and self._session.scalar(select(RankingRow.id).where(RankingRow.id == given)) is None:
            raise JudgementNotFound("This judgement doesn't exist. Reload the page.", judgement_id=judgement_id)
        row = ReviewRow(
            id=new_id(),
            rating_id=given if is_rating else None,
            ranking_id=None if is_rating else given,
            reviewer_id=reviewer_id,
            decision=decision,
            note=note,
            created_at=datetime.now(UTC),
        )
        self._session.add(row)
        self._session.flush()
        self._refresh(given)
        return review_from(row)

    def _refresh(self, judgement_id: str) -> None:
        """Keep the decision beside the judged replies, too."""
        rated = select(MessageRow.conversation_id, MessageRow.parent_id).join(
            RatingRow, RatingRow.message_id == MessageRow.id
        )
        ranked = select(RankingRow.conversation_id, RankingRow.prompt_id).where(RankingRow.id == judgement_id)
        for at in self._session.execute(rated.where(RatingRow.id == judgement_id).union(ranked)):
            refresh(self._session.connection(), at[0], at[1])

    def _reviews_of(self, conversation_id: str) -> list[Review]:
        ratings = select(RatingRow.id).join(MessageRow, MessageRow.id == RatingRow.message_id)
        ratings = ratings.where(MessageRow.conversation_id == conversation_id)
        rankings = select(RankingRow.id).where(RankingRow.conversation_id == conversation_id)
        query = select(ReviewRow).where(or_(ReviewRow.rating_id.in_(ratings), ReviewRow.ranking_id.in_(rankings)))
        return list(self._damage.legible(self._session.scalars(query.order_by(ReviewRow.sequence)), review_from))
