"""Repository of feedback as a whole: conversations with all judgements of their replies, and reviews of judgements."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from itertools import islice

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

_TOGETHER = 100  # conversations whose judgements are read together: fewer queries


class Feedback:
    """Reads across all users: for the owner of the installation and for administrators."""

    def __init__(self, session: Session, damage: DamageLog) -> None:
        self._session, self._damage = session, damage
        self._messages = Messages(session, damage)
        self._ratings = Ratings(session, damage)
        self._rankings = Rankings(session, damage)

    def conversations(self, conversation_ids: Collection[str] = ()) -> Iterator[ConversationFeedback]:
        """Every conversation with a judgement, of all users, oldest first.

        Limited to `conversation_ids` if given; without deleted conversations, and without damaged rows. In memory are
        the messages of one conversation and the judgements of a few.
        """
        left = iter(self.conversation_ids(conversation_ids))
        while ids := list(islice(left, _TOGETHER)):
            rows = self._session.scalars(select(ConversationRow).where(ConversationRow.id.in_(ids)))
            conversations = sorted(self._damage.legible(rows, conversation_from), key=lambda found: found.id)
            ratings = self._ratings.by_conversation(ids)
            rankings = self._rankings.by_conversation(ids)
            reviews = self._reviews(ids)
            self._session.expunge_all()
            for found in conversations:
                yield ConversationFeedback(
                    found,
                    tuple(self._messages.legible(found.id)),
                    tuple(ratings.get(found.id, ())),
                    tuple(rankings.get(found.id, ())),
                    tuple(reviews.get(found.id, ())),
                )
                self._session.expunge_all()

    def conversation_ids(self, among: Collection[str] = ()) -> list[str]:
        """The ids of the conversations with a judgement, oldest first; without deleted ones."""
        rows = ConversationRow
        query = select(rows.id).where(rows.deleted_at.is_(None))
        rated = select(MessageRow.conversation_id).join(RatingRow, RatingRow.message_id == MessageRow.id)
        ranked = select(RankingRow.conversation_id)
        if among:  # looked up for each, without reading the whole log
            one_rated = rated.where(MessageRow.conversation_id == rows.id).exists()
            one_ranked = ranked.where(RankingRow.conversation_id == rows.id).exists()
            query = query.where(rows.id.in_(among), or_(one_rated, one_ranked))
        else:
            query = query.where(or_(rows.id.in_(rated), rows.id.in_(ranked)))
        return list(self._session.scalars(query.order_by(rows.id)))

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

    def _reviews(self, conversation_ids: Collection[str]) -> dict[str, list[Review]]:
        """The reviews of the judgements in these conversations, by conversation, in the order of the decisions."""
        rated = (
            select(ReviewRow, MessageRow.conversation_id)
            .join(RatingRow, RatingRow.id == ReviewRow.rating_id)
            .join(MessageRow, MessageRow.id == RatingRow.message_id)
            .where(MessageRow.conversation_id.in_(conversation_ids))
        )
        ranked = (
            select(ReviewRow, RankingRow.conversation_id)
            .join(RankingRow, RankingRow.id == ReviewRow.ranking_id)
            .where(RankingRow.conversation_id.in_(conversation_ids))
        )
        rows = [(row, at) for query in (rated, ranked) for row, at in self._session.execute(query)]
        found: dict[str, list[Review]] = {}
        for row, conversation_id in sorted(rows, key=lambda each: each[0].sequence):
            for review in self._damage.legible([row], review_from):
                found.setdefault(conversation_id, []).append(review)
        return found
