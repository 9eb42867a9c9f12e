"""Keeps the table ``judged_replies`` as the log says: one row for each reply in each current judgement.

The rows of a question's replies are derived anew after each judgement of one of them, and only differences are written.
A migration fills the table with the same code, so it names its columns itself: tables may change after it.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Boolean, Connection, Select, column, insert, select, table
from sqlalchemy.types import NULLTYPE, TypeEngine

from app.domain.feedback import Decision, Verdict
from app.domain.judged_replies import player_of, prompt_key
from app.domain.languages import language_of
from app.domain.messages import MessageState
from app.store.column_types import UtcDateTime

_MESSAGES = table(
    "messages",
    *map(column, ("id", "conversation_id", "parent_id", "content", "state", "model_id", "adapter", "imported_model")),
    *map(column, ("system_prompt", "dropped_turns")),
)
_RATINGS = table(
    "ratings",
    *map(column, ("sequence", "id", "message_id", "user_id", "verdict", "reasons")),
    column("created_at", UtcDateTime()),
)
_RANKINGS = table(
    "rankings",
    *map(column, ("sequence", "id", "user_id", "conversation_id", "prompt_id", "source")),
    *(column(name, Boolean()) for name in ("blind", "both_bad", "withdrawn")),
    column("created_at", UtcDateTime()),
)
_ITEMS = table("ranking_items", *map(column, ("ranking_id", "message_id", "rank", "position")))
_REVIEWS = table("reviews", *map(column, ("sequence", "rating_id", "ranking_id", "decision")))
_NAMES = (
    *("judgement_id", "message_id", "kind", "user_id", "judged_at", "conversation_id", "prompt_id", "rank", "position"),
    *("blind", "both_bad", "reasons", "player", "adapter", "complete", "characters", "language", "prompt"),
    *("decision", "disputed"),
)
_TYPES: dict[str, TypeEngine[Any]] = {
    "judged_at": UtcDateTime(),
    **dict.fromkeys(("blind", "both_bad", "complete", "disputed"), Boolean()),
}
_JUDGED = table("judged_replies", *(column(name, _TYPES.get(name, NULLTYPE)) for name in _NAMES))
_AT_ONCE = 500  # ids in a query


@dataclass(frozen=True, slots=True)
class _Place:
    message_id: str
    rank: int | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class _Judgement:
    """A current rating, with one place, or ranking."""

    id: str
    kind: str
    user_id: str
    at: datetime
    places: tuple[_Place, ...]
    blind: bool = False
    both_bad: bool = False
    reasons: str = ""
    disputed: bool = False


def fill(connection: Connection) -> None:
    """Derive the rows of all conversations."""
    rated = select(_MESSAGES.c.conversation_id).join_from(_RATINGS, _MESSAGES, _MESSAGES.c.id == _RATINGS.c.message_id)
    refresh_whole(connection, connection.scalars(rated.union(select(_RANKINGS.c.conversation_id))).all())


def refresh(connection: Connection, conversation_id: str, *prompt_ids: str | None) -> None:
    """Derive the rows of the replies to some messages, or of the whole conversation if none is named.

    ``None`` stands for replies without a question.
    """
    _Scope(connection, [conversation_id], prompt_ids).refresh()


def refresh_whole(connection: Connection, conversation_ids: Iterable[str]) -> None:
    """Derive the rows of whole conversations, with as many queries for hundreds of them as for one."""
    for ids in _parts(conversation_ids):
        _Scope(connection, ids).refresh()


class _Scope:
    """The judgements of some conversations, or of the replies to some messages of one."""

    def __init__(
        self, connection: Connection, conversation_ids: Sequence[str], prompts: tuple[str | None, ...] = ()
    ) -> None:
        self._connection, self._conversation_ids, self._prompts = connection, conversation_ids, prompts

    def refresh(self) -> None:
        """Write what differs, under new ids: what a row says never changes."""
        wanted = {(row["judgement_id"], row["message_id"]): row for row in self._rows()}
        query = self._within(select(_JUDGED), _JUDGED.c.conversation_id, _JUDGED.c.prompt_id)
        stored = {(row.judgement_id, row.message_id): dict(row._mapping) for row in self._connection.execute(query)}
        for key in sorted(stored):
            if stored[key] != wanted.get(key):
                self._connection.execute(sa.delete(_JUDGED).where(_is(key)))
        if new := [wanted[key] for key in sorted(wanted) if wanted[key] != stored.get(key)]:
            self._connection.execute(insert(_JUDGED), new)

    def _rows(self) -> Iterator[dict[str, Any]]:
        judgements = _with_disputes([*self._ratings(), *self._rankings()])
        decisions = self._decisions([judgement.id for judgement in judgements])
        facts = self._facts({place.message_id for judgement in judgements for place in judgement.places})
        for judgement in judgements:
            for place in judgement.places:
                if place.message_id not in facts:
                    continue
                yield {
                    "judgement_id": judgement.id,
                    "message_id": place.message_id,
                    "kind": judgement.kind,
                    "user_id": judgement.user_id,
                    "judged_at": judgement.at,
                    "rank": place.rank,
                    "position": place.position,
                    "blind": judgement.blind,
                    "both_bad": judgement.both_bad,
                    "reasons": judgement.reasons,
                    "decision": decisions.get(judgement.id, Decision.OPEN.value),
                    "disputed": judgement.disputed,
                    **facts[place.message_id],
                }

    def _ratings(self) -> Iterator[_Judgement]:
        """The latest thumb of each rater and reply."""
        query = select(_RATINGS).join(_MESSAGES, _MESSAGES.c.id == _RATINGS.c.message_id)
        query = self._within(query, _MESSAGES.c.conversation_id, _MESSAGES.c.parent_id)
        found = self._sound(query.order_by(_RATINGS.c.sequence))
        for row in {(row.message_id, row.user_id): row for row in found}.values():
            if row.verdict in (Verdict.UP, Verdict.DOWN):
                place, reasons = _Place(row.message_id), _listed(row.reasons)
                yield _Judgement(row.id, row.verdict, row.user_id, row.created_at, (place,), reasons=reasons)

    def _rankings(self) -> Iterator[_Judgement]:
        """The latest ranking of each rater and set of replies, if it is neither withdrawn nor open."""
        query = self._within(select(_RANKINGS), _RANKINGS.c.conversation_id, _RANKINGS.c.prompt_id)
        rankings = {row.id: row for row in self._sound(query.order_by(_RANKINGS.c.sequence))}
        places: dict[str, list[_Place]] = defaultdict(list)
        for ids in _parts(rankings):
            for item in self._sound(select(_ITEMS).where(_ITEMS.c.ranking_id.in_(ids))):
                places[item.ranking_id].append(_Place(item.message_id, item.rank, item.position))
        current = {(r.user_id, frozenset(p.message_id for p in places[r.id])): r for r in rankings.values()}
        for row in current.values():
            ranked = tuple(sorted(places[row.id], key=lambda place: place.message_id))
            if row.withdrawn or not (row.both_bad or all(place.rank is not None for place in ranked)):
                continue
            yield _Judgement(row.id, row.source, row.user_id, row.created_at, ranked, row.blind, row.both_bad)

    def _decisions(self, judgement_ids: Sequence[str]) -> dict[str, str]:
        latest: dict[str, str] = {}
        for ids in _parts(judgement_ids):
            about = _REVIEWS.c.rating_id.in_(ids) | _REVIEWS.c.ranking_id.in_(ids)
            for row in self._sound(select(_REVIEWS).where(about).order_by(_REVIEWS.c.sequence)):
                latest[row.rating_id or row.ranking_id] = row.decision
        return latest

    def _facts(self, message_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """What is known of each reply; nothing of damaged ones."""
        question = _MESSAGES.alias()
        query = select(_MESSAGES, question.c.content.label("question"))
        query = query.outerjoin(question, question.c.id == _MESSAGES.c.parent_id)
        found = {}
        for ids in _parts(sorted(message_ids)):
            for row in self._sound(query.where(_MESSAGES.c.id.in_(ids))):
                asked = row.question or ""
                found[row.id] = {
                    "conversation_id": row.conversation_id,
                    "prompt_id": row.parent_id,
                    "player": player_of(row.model_id, row.adapter, row.imported_model),
                    "adapter": row.adapter,
                    "complete": row.state == MessageState.COMPLETE and bool(row.content.strip()),
                    "characters": len(row.content),
                    "language": language_of(asked),
                    "prompt": prompt_key(asked, row.system_prompt or "", row.dropped_turns),
                }
        return found

    def _within(self, query: Select[Any], conversation: Any, prompt: Any) -> Select[Any]:
        query = query.where(conversation.in_(self._conversation_ids))
        return query.where(*(prompt.is_(None) if each is None else prompt == each for each in self._prompts))

    def _sound(self, query: Select[Any]) -> Iterator[Any]:
        """The rows of a query without damaged ones, which the log reports where it is read."""
        for row in self._connection.execute(query).all():
            if all(isinstance(value, _VALUES) for value in row):
                yield row


_VALUES = (str, int, datetime, list, type(None))  # a list: PostgreSQL's JSON


def _listed(reasons: object) -> str:
    """The reasons in a rating's column as ``,wrong,too_long,``, in which each can be found; "" if there are none."""
    try:
        found = json.loads(reasons) if isinstance(reasons, str) else reasons
    except ValueError:
        return ""
    names = [name for name in found if isinstance(name, str)] if isinstance(found, list) else []
    return f",{','.join(names)}," if names else ""


def _is(key: tuple[str, str]) -> sa.ColumnElement[bool]:
    return (_JUDGED.c.judgement_id == key[0]) & (_JUDGED.c.message_id == key[1])


def _parts(ids: Iterable[str]) -> Iterator[list[str]]:
    left = iter(ids)
    while part := list(itertools.islice(left, _AT_ONCE)):
        yield part


def _with_disputes(judgements: Sequence[_Judgement]) -> list[_Judgement]:
    """The judgements, marked where another rater says the opposite: the other thumb, or the other order of two."""
    said: dict[object, dict[object, set[str]]] = defaultdict(lambda: defaultdict(set))
    for judgement in judgements:
        for what, choice in _claims(judgement):
            said[what][choice].add(judgement.user_id)

    def disputed(judgement: _Judgement) -> bool:
        me = judgement.user_id
        return any(
            len(raters) > (me in raters)
            for what, mine in _claims(judgement)
            for choice, raters in said[what].items()
            if choice != mine
        )

    return [replace(judgement, disputed=disputed(judgement)) for judgement in judgements]


def _claims(judgement: _Judgement) -> Iterator[tuple[object, object]]:
    if len(judgement.places) == 1:
        yield judgement.places[0].message_id, judgement.kind
    for one, other in itertools.combinations(judgement.places, 2):
        if one.rank is not None and other.rank is not None and one.rank != other.rank:
            yield (one.message_id, other.message_id), one.rank < other.rank
