"""Repository of counts of feedback, and of pairs for the leaderboard. Everything is read from the judged replies.

Judgements of conversations that are in the trash, or whose owner does not allow training, do not count, nor do those
that a review excluded. No query reads a text.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, distinct, func, literal_column, select, text
from sqlalchemy.orm import Session, aliased

from app.domain.feedback import Decision, Verdict
from app.domain.feedback_counts import DayCount, FeedbackCounts, LengthCount, PairCount, PlayerCount
from app.domain.judged_replies import JudgedPair, player_of
from app.store.judged_replies_table import JudgedReplyRow
from app.store.repositories.judgements import counts
from app.store.tables import WITHHELD, ConversationRow, MessageRow, ReviewRow, UserRow

LENGTHS = (0, 200, 500, 1_000, 2_000, 4_000)  # characters
RATINGS = "ratings"  # the kind of a pair of thumbs
_ROWS = JudgedReplyRow
_THUMBS = (Verdict.UP.value, Verdict.DOWN.value)
_AT_ONCE = 10_000  # rows read at a time


class FeedbackStatistics:
    """Reads across all users: for the owner of the installation and for administrators."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def version(self) -> str:
        """Changes with every judgement, review, withdrawal, deletion and consent that changes what is counted."""
        rows = self._session.execute(select(func.count(), func.max(_ROWS.id)).select_from(_ROWS)).one()
        reviews = self._session.scalar(select(func.max(ReviewRow.sequence)))
        withheld = hashlib.blake2b(digest_size=16)
        for conversation_id in self._session.scalars(_withheld().order_by(ConversationRow.id)):
            withheld.update(str(conversation_id).encode())
        return f"{rows[0]}.{rows[1]}.{reviews}.{withheld.hexdigest()}"

    def counts(self) -> FeedbackCounts:
        """Everything counted, of all time."""
        decisions, kinds, languages, raters = self._facets()
        players = self._players()
        written = [player for player in players if player.replies]
        return FeedbackCounts(
            days=tuple(self._days()),
            players=players,
            reasons=self._reasons(),
            lengths=tuple(self._lengths()),
            pairs=self._pair_counts(),
            thumbs_by_reply=self._thumbs_by_reply(),
            orders_by_pair=self._orders_by_pair(),
            judged=sum(player.judged for player in written),
            replies=sum(player.replies for player in written),
            judgements=kinds.total(),
            decisions=decisions,
            raters=raters,
            kinds=kinds,
            languages=languages,
            adapters=self._adapters(),
            withheld=self._withheld(),
        )

    def ranked_pairs(self) -> Iterator[JudgedPair]:
        """All pairs of finished replies by players, as ranked; the pairs of a ranking one after the other."""
        left, right = aliased(_ROWS), aliased(_ROWS)
        same = and_(right.judgement_id == left.judgement_id, right.message_id > left.message_id)
        query = _pairs(left, right, left.kind, left.rank, right.rank).join(right, same)
        yield from self._read(query.where(left.kind.not_in(_THUMBS)).order_by(left.judgement_id))

    def thumb_pairs(self) -> Iterator[JudgedPair]:
        """All pairs of finished replies by players of which one rater rated one up and one down.

        Those of one rater and prompt come one after the other. `left` is the reply rated up.
        """
        left, right = aliased(_ROWS), aliased(_ROWS)
        same = and_(right.prompt_id == left.prompt_id, right.user_id == left.user_id)
        thumbs = and_(left.kind == Verdict.UP, right.kind == Verdict.DOWN, left.decision != Decision.EXCLUDED)
        query = _pairs(left, right, text(f"'{RATINGS}'"), text("1"), text("2")).join(right, same)
        query = query.where(thumbs, right.decision != Decision.EXCLUDED)
        yield from self._read(
            query.order_by(left.user_id, left.prompt_id, left.prompt, left.judgement_id, right.judgement_id)
        )

    def _read(self, query: Select[Any]) -> Iterator[JudgedPair]:
        # Not through the session: for so many rows its own part would be the largest.
        rows = self._session.connection().execute(query.execution_options(yield_per=_AT_ONCE))
        for part in rows.partitions():
            yield from map(JudgedPair._make, part)

    # -- counts --------------------------------------------------------------------------------------

    def _facets(self) -> tuple[dict[str, int], Counter[str], dict[str, int], tuple[tuple[str, str, int], ...]]:
        """How many judgements there are by decision, kind, language and rater."""
        names = _ROWS.decision, _ROWS.kind, _ROWS.language, _ROWS.user_id
        decisions, kinds, languages, raters = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
        query = select(*names, func.count(distinct(_ROWS.judgement_id))).where(counts()).group_by(*names)
        for decision, kind, language, user_id, count in self._session.execute(query):
            decisions[decision] += count
            if decision != Decision.EXCLUDED:
                kinds[kind] += count
                languages[language] += count
                raters[user_id] += count
        known = {row.id: row.name for row in self._session.scalars(select(UserRow).where(UserRow.id.in_(raters)))}
        named = tuple((user_id, str(known.get(user_id, "")), count) for user_id, count in raters.most_common())
        return decisions, kinds, dict(languages.most_common()), named

    def _days(self) -> Iterator[DayCount]:
        day = func.date(_ROWS.judged_at)
        up, down = (func.count().filter(_ROWS.kind == verdict) for verdict in _THUMBS)
        rankings = func.count(distinct(case((_ROWS.kind.not_in(_THUMBS), _ROWS.judgement_id))))
        query = select(day, up, down, rankings).where(*_counted()).group_by(day).order_by(day)
        for found, *numbers in self._session.execute(query):
            yield DayCount(str(found), *numbers)

    def _players(self) -> tuple[PlayerCount, ...]:
        up, down = (func.count().filter(_ROWS.kind == verdict) for verdict in _THUMBS)
        query = select(_ROWS.player, up, down, func.count(distinct(_ROWS.message_id)))
        query = query.where(*_counted(), _ROWS.player.is_not(None)).group_by(_ROWS.player)
        found = {str(row[0]): row[1:] for row in self._session.execute(query)}
        replies = self._replies()
        names = sorted({*found, *replies})
        return tuple(PlayerCount(name, *found.get(name, (0, 0, 0)), replies=replies[name]) for name in names)

    def _replies(self) -> Counter[str]:
        """How many replies each model wrote, in conversations that count."""
        made, withheld = Counter[str](), MessageRow.conversation_id.in_(_withheld())
        written = text("role = 'assistant'"), MessageRow.model_id.is_not(None)  # text: as the index says it
        for sign, where in ((1, written), (-1, (*written, withheld))):
            names = MessageRow.model_id, MessageRow.adapter
            for model_id, adapter, count in self._session.execute(
                select(*names, func.count()).select_from(MessageRow).where(*where).group_by(*names)
            ):
                made[player_of(model_id, adapter, None) or ""] += sign * count
        return made

    def _reasons(self) -> Mapping[str, int]:
        query = (
            select(_ROWS.reasons, func.count())
            .where(*_counted(), _ROWS.reasons != literal_column("''"))
            .group_by(_ROWS.reasons)
        )
        reasons = Counter[str]()
        for listed, count in self._session.execute(query):
            for name in listed.strip(",").split(","):
                reasons[name] += count
        return dict(reasons.most_common())

    def _lengths(self) -> Iterator[LengthCount]:
        least = case(*((_ROWS.characters >= length, length) for length in reversed(LENGTHS)), else_=0)
        up, down = (func.count().filter(_ROWS.kind == verdict) for verdict in _THUMBS)
        query = select(least, up, down).where(*_counted(), _ROWS.kind.in_(_THUMBS))
        for length, *numbers in self._session.execute(query.group_by(least).order_by(least)):
            yield LengthCount(length, *numbers)

    def _pair_counts(self) -> PairCount:
        left, right = aliased(_ROWS), aliased(_ROWS)
        same = and_(right.judgement_id == left.judgement_id, right.message_id > left.message_id)
        placed = and_(left.position.is_not(None), right.position.is_not(None))
        unequal = left.characters != right.characters
        won = left.rank < right.rank
        query = select(
            func.count().filter(placed),
            func.count().filter(placed, won == (left.position < right.position)),
            func.count().filter(unequal),
            func.count().filter(unequal, won == (left.characters > right.characters)),
        )
        query = query.select_from(left).join(right, same).where(_usable(left, right), left.rank != right.rank)
        return PairCount(*self._session.execute(query).one())

    def _thumbs_by_reply(self) -> tuple[tuple[Mapping[str, int], int], ...]:
        up, down = (func.count().filter(_ROWS.kind == verdict).label(verdict) for verdict in _THUMBS)
        rated = select(up, down).where(*_counted(), _ROWS.kind.in_(_THUMBS)).group_by(_ROWS.message_id)
        return self._patterns(rated.having(func.count() > 1))

    def _orders_by_pair(self) -> tuple[tuple[Mapping[str, int], int], ...]:
        left, right = aliased(_ROWS), aliased(_ROWS)
        several = select(_ROWS.prompt_id).group_by(_ROWS.prompt_id).having(func.count(distinct(_ROWS.user_id)) > 1)
        said = {
            "left": left.rank < right.rank,
            "right": left.rank > right.rank,
            "tie": left.rank == right.rank,
            "both_bad": left.both_bad,
        }
        query = select(*(func.count().filter(what).label(name) for name, what in said.items())).select_from(left)
        same = and_(right.judgement_id == left.judgement_id, right.message_id > left.message_id)
        query = query.join(right, same).where(_usable(left, right), left.prompt_id.in_(several))
        return self._patterns(query.group_by(left.message_id, right.message_id).having(func.count() > 1))

    def _patterns(self, counted: Select[*tuple[Any, ...]]) -> tuple[tuple[Mapping[str, int], int], ...]:
        """The different rows of `counted`, by name of their columns, and how often each occurs."""
        each = counted.subquery()
        query = select(*each.c, func.count()).group_by(*each.c).order_by(*each.c)
        names = each.c.keys()
        return tuple((dict(zip(names, numbers, strict=True)), n) for *numbers, n in self._session.execute(query))

    def _adapters(self) -> Mapping[str, int]:
        query = select(_ROWS.adapter, func.count(distinct(_ROWS.judgement_id)))
        query = query.where(*_counted(), _ROWS.adapter.is_not(None)).group_by(_ROWS.adapter).order_by(_ROWS.adapter)
        return {str(adapter): count for adapter, count in self._session.execute(query)}

    def _withheld(self) -> int:
        query = select(func.count(distinct(_ROWS.judgement_id))).where(_ROWS.conversation_id.in_(_withheld()))
        return self._session.scalar(query) or 0


def _counted() -> tuple[ColumnElement[bool], ...]:
    return counts(), _ROWS.decision != Decision.EXCLUDED


def _withheld() -> Select[str]:
    return select(ConversationRow.id).where(WITHHELD)  # text: as the index says it


def _usable(left: Any, right: Any) -> ColumnElement[bool]:
    """Whether a pair says something about two players, as for training: finished replies to the same prompt."""
    return and_(
        left.conversation_id.not_in(_withheld()),
        left.decision != Decision.EXCLUDED,
        left.complete,
        right.complete,
        left.prompt == right.prompt,
        left.player.is_not(None),
        right.player.is_not(None),
    )


def _pairs(left: Any, right: Any, kind: Any, left_rank: Any, right_rank: Any) -> Select[Any]:
    """The columns of :class:`JudgedPair`."""
    later = case((right.judged_at > left.judged_at, right.judgement_id), else_=left.judgement_id)
    return (
        select(
            *(
                later,
                kind,
                left.user_id,
                case((right.judged_at > left.judged_at, right.judged_at), else_=left.judged_at),
            ),
            *(left.prompt_id, left.prompt, left.language, left.blind, left.both_bad, left.message_id, right.message_id),
            *(left.player, right.player, left_rank, right_rank, left.position, right.position),
            *(left.characters, right.characters),
        )
        .select_from(left)
        .where(_usable(left, right))
    )
