"""Repository of ratings. They are append-only: the latest per rater and message counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.feedback import REASONS, Rating, Verdict
from app.domain.ids import new_id
from app.domain.limits import MAX_COMMENT_CHARS
from app.domain.messages import Role
from app.errors import InvalidRequest
from app.store.damage import DamageLog
from app.store.judged_replies_of_log import refresh
from app.store.repositories.messages import Messages
from app.store.row_mapping import rating_from
from app.store.tables import MessageRow, RatingRow
from app.store.text_checks import checked


class Ratings:
    """Ratings of replies."""

    def __init__(self, session: Session, damage: DamageLog) -> None:
        self._session, self._damage = session, damage
        self._messages = Messages(session, damage)

    def add(
        self,
        user_id: str,
        message_id: str,
        verdict: Verdict,
        reasons: Sequence[str] = (),
        comment: str = "",
        score: int | None = None,
    ) -> Rating:
        """Add a rating of a reply in the user's own conversation. It supersedes earlier ones, which stay stored.

        Raises :class:`~app.errors.MessageNotFound`, and :class:`InvalidRequest` for an invalid rating.
        """
        message = self._messages.get(user_id, message_id)
        if message.role is not Role.ASSISTANT:
            raise InvalidRequest("Only replies can be rated.", field="message_id")
        _check(reasons, comment, score)
        row = RatingRow(
            id=new_id(),
            message_id=message_id,
            user_id=user_id,
            verdict=verdict,
            reasons=list(dict.fromkeys(reasons)),
            comment=comment,
            score=score,
            created_at=datetime.now(UTC),
        )
        self._session.add(row)
        self._session.flush()
        refresh(self._session.connection(), message.conversation_id, message.parent_id)
        return rating_from(row)

    def latest(self, conversation_id: str, user_id: str) -> dict[str, Rating]:
        """The current ratings of `user_id` by message id, without retracted ones."""
        latest = {r.message_id: r for r in self.of(conversation_id) if r.user_id == user_id}
        return {k: r for k, r in latest.items() if r.verdict is not Verdict.RETRACTED}

    def of(self, conversation_id: str) -> list[Rating]:
        """All ratings in a conversation, of all users, in the order in which they were given; no damaged ones."""
        return self.by_conversation([conversation_id]).get(conversation_id, [])

    def by_conversation(self, conversation_ids: Collection[str]) -> dict[str, list[Rating]]:
        """:meth:`of` several conversations."""
        query = (
            select(RatingRow, MessageRow.conversation_id)
            .join(MessageRow, MessageRow.id == RatingRow.message_id)
            .where(MessageRow.conversation_id.in_(conversation_ids))
            .order_by(RatingRow.sequence)
        )
        found: dict[str, list[Rating]] = {}
        for row, conversation_id in self._session.execute(query):
            for rating in self._damage.legible([row], rating_from):
                found.setdefault(conversation_id, []).append(rating)
        return found


def _check(reasons: Sequence[str], comment: str, score: int | None) -> None:
    unknown = [r for r in reasons if r not in REASONS]
    if unknown:
        raise InvalidRequest(f"Unknown reason. Allowed are: {', '.join(REASONS)}.", field="reasons")
    if len(checked(comment, "comment")) > MAX_COMMENT_CHARS:
        raise InvalidRequest(f"A comment can have at most {MAX_COMMENT_CHARS} characters.", field="comment")
    if score is not None and (isinstance(score, bool) or not 1 <= score <= 10):
        raise InvalidRequest("A score must be a whole number from 1 to 10.", field="score")
