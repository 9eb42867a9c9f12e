"""Repository for the review: the current judgements of all people, filtered, the newest first.

Those of conversations that are in the trash, or whose owner does not allow training, are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, literal_column, select, tuple_
from sqlalchemy.orm import Session, aliased

from app.domain.feedback import Decision
from app.domain.review import JudgedText, JudgementFilter, JudgementPage, ListedJudgement
from app.errors import InvalidRequest, JudgementNotFound
from app.store.judged_replies_table import JudgedReplyRow
from app.store.tables import ConversationRow, MessageRow, RatingRow, ReviewRow, UserRow
from app.store.text_checks import checked

EXCERPT_CHARS = 280
_SEPARATOR = "~"  # in a cursor, between the time and the id of a judgement


def counts() -> ColumnElement[bool]:
    """Whether a judged reply is in a conversation that allows training and is not in the trash."""
    conversation = ConversationRow
    found = select(conversation.id).where(
        conversation.id == JudgedReplyRow.conversation_id,
        conversation.deleted_at.is_(None),
        conversation.allow_training,
    )
    return found.exists()


class Judgements:
    """Reads across all users: for the owner of the installation and for administrators."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def page(self, where: JudgementFilter, *, limit: int, cursor: str | None = None) -> JudgementPage:
        """At most `limit` judgements after `cursor`. Raises :class:`InvalidRequest` for a cursor that is none."""
        rows = JudgedReplyRow
        query = select(rows.judged_at, rows.judgement_id).where(counts(), *_conditions(where)).distinct()
        if cursor is not None:
            at, judgement_id = _position(cursor)
            last_seen = tuple_(literal(at, rows.judged_at.type), literal(judgement_id))
            query = query.where(tuple_(rows.judged_at, rows.judgement_id) < last_seen)
        query = query.order_by(rows.judged_at.desc(), rows.judgement_id.desc()).limit(limit + 1)
        found = self._session.execute(query).all()
        items = self._listed([judgement_id for _, judgement_id in found[:limit]], EXCERPT_CHARS)
        last = found[limit - 1] if len(found) > limit else None
        return JudgementPage(tuple(items), f"{last[0].isoformat()}{_SEPARATOR}{last[1]}" if last else None)

    def get(self, judgement_id: str) -> ListedJudgement:
        """One judgement with whole texts. Raises :class:`JudgementNotFound`, also if it is not a current one."""
        given = checked(judgement_id, "judgement id")
        known = select(JudgedReplyRow.id).where(JudgedReplyRow.judgement_id == given, counts()).limit(1)
        found = self._listed([given], None) if self._session.scalar(known) is not None else []
        if not found:
            raise JudgementNotFound(
                "This judgement was changed, withdrawn or deleted. Reload the page.", judgement_id=judgement_id
            )
        return found[0]

    def _listed(self, ids: Sequence[str], chars: int | None) -> list[ListedJudgement]:
        """The judgements in the order of `ids`; texts are cut to `chars` characters."""
        replies: dict[str, list[Any]] = defaultdict(list)
        for row in self._session.execute(_replies(ids, chars)):
            replies[row.JudgedReplyRow.judgement_id].append(row)
        ratings = {row.id: row for row in self._session.scalars(select(RatingRow).where(RatingRow.id.in_(ids)))}
        about = ReviewRow.rating_id.in_(ids) | ReviewRow.ranking_id.in_(ids)
        reviews = self._session.scalars(select(ReviewRow).where(about).order_by(ReviewRow.sequence))
        notes = {row.rating_id or row.ranking_id: row.note for row in reviews}
        return [_judgement(replies[key], ratings.get(key), notes.get(key, "")) for key in ids if key in replies]


def _conditions(where: JudgementFilter) -> list[ColumnElement[bool]]:
    rows = JudgedReplyRow
    equal = {
        rows.player: where.player,
        rows.adapter: where.adapter,
        rows.user_id: where.rater_id,
        rows.kind: where.kind,
        rows.language: where.language,
        rows.decision: where.decision,
    }
    found: list[ColumnElement[bool]] = [column == value for column, value in equal.items() if value is not None]
    if where.since is not None:
        found.append(rows.judged_at >= where.since)
    if where.until is not None:
        found.append(rows.judged_at < where.until)
    if where.disputed:
        found.append(and_(rows.disputed))  # as its index says it
    if where.reason is not None:
        found += [rows.reasons != literal_column("''"), rows.reasons.contains(f",{where.reason},")]
    return found


def _replies(ids: Sequence[str], chars: int | None) -> Select[Any]:
    def text(column: Any) -> Any:
        return column if chars is None else func.substr(column, 1, chars)

    rows, question = JudgedReplyRow, aliased(MessageRow)
    query = select(
        rows,
        ConversationRow.title,
        UserRow.name.label("rater_name"),
        text(MessageRow.content).label("text"),
        text(question.content).label("question"),
    )
    query = query.join(ConversationRow, ConversationRow.id == rows.conversation_id)
    query = query.join(UserRow, UserRow.id == rows.user_id).join(MessageRow, MessageRow.id == rows.message_id)
    return query.outerjoin(question, question.id == rows.prompt_id).where(rows.judgement_id.in_(ids))


def _judgement(rows: Sequence[Any], rating: RatingRow | None, note: str) -> ListedJudgement:
    first = rows[0]
    given: JudgedReplyRow = first.JudgedReplyRow
    judged = sorted((row.JudgedReplyRow for row in rows), key=_order)
    texts = {row.JudgedReplyRow.message_id: _text(row.text) for row in rows}
    return ListedJudgement(
        id=given.judgement_id,
        kind=given.kind,
        judged_at=given.judged_at,
        rater_id=given.user_id,
        rater_name=_text(first.rater_name),
        conversation_id=given.conversation_id,
        title=_text(first.title),
        language=given.language,
        question=_text(first.question),
        replies=tuple(JudgedText(r.message_id, r.player, texts[r.message_id], r.rank, r.position) for r in judged),
        reasons=tuple(rating.reasons) if rating is not None and isinstance(rating.reasons, list) else (),
        comment=_text(rating.comment) if rating is not None else "",
        score=rating.score if rating is not None else None,
        blind=given.blind,
        both_bad=given.both_bad,
        disputed=given.disputed,
        decision=Decision(given.decision),
        note=_text(note),
    )


def _text(value: object) -> str:
    """A text; "" for a damaged one, which the log names where its row is read."""
    return value if isinstance(value, str) else ""


def _order(row: JudgedReplyRow) -> tuple[int, int, str]:
    return (row.position if row.position is not None else 0, row.rank or 0, row.message_id)


def _position(cursor: str) -> tuple[datetime, str]:
    at, separator, judgement_id = checked(cursor, "cursor").partition(_SEPARATOR)
    try:
        time = datetime.fromisoformat(at)
    except ValueError:
        time = None
    if not separator or time is None or time.tzinfo is None:
        raise InvalidRequest("This cursor is none that a list returned. Begin at the start.", field="cursor")
    return time, judgement_id
