"""Judgements in files: ratings as JSON-ready dictionaries, and rankings of messages.

A rating has a thumb. A file may have a score without one: then the thumb follows from the score where it is clearly
good or bad, and a score in the middle is left out, since nobody can say which thumb it means.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.chat.transfer.reading.values import storable
from app.domain.feedback import MAX_SCORE, REASONS, RankingSource, Verdict
from app.domain.limits import MAX_COMMENT_CHARS, MAX_RANKED_REPLIES

Rating = dict[str, Any]  # verdict, reasons, comment, score, created_at, rater

_MAX_SETTINGS_CHARS = 4_000
_MAX_RATER_CHARS = 200
_GOOD, _BAD = 0.75, 0.25  # shares of a scale, from which on a score is clearly one of them


@dataclass(frozen=True, slots=True)
class RankedNode:
    """A reply's place in a ranking, by the id of its message in the file; see :class:`.RankedReply`."""

    id: str
    rank: int | None
    position: int | None = None
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeRanking:
    """An order of replies."""

    items: Sequence[RankedNode]
    both_bad: bool = False
    blind: bool = False
    source: RankingSource = RankingSource.IMPORT
    created_at: datetime | None = None
    rater: str = ""  # as the file names a person; "": who imports it


@dataclass(frozen=True, slots=True)
class ReadRanking:
    """A ranking to store: items of (position in the list of messages, rank, position shown, settings)."""

    items: tuple[tuple[int, int | None, int | None, Mapping[str, object]], ...]
    both_bad: bool
    blind: bool
    source: RankingSource
    created_at: datetime | None
    rater: str


def rating(
    verdict: Verdict,
    *,
    reasons: object = (),
    comment: object = "",
    score: object = None,
    created_at: datetime | None = None,
    rater: str = "",
) -> Rating:
    """A rating, without what one can't have."""
    given = reasons if isinstance(reasons, list | tuple) else ()
    return {
        "verdict": verdict.value,
        "reasons": list(dict.fromkeys(x for x in given if isinstance(x, str) and x in REASONS)),
        "comment": storable(comment)[:MAX_COMMENT_CHARS] if isinstance(comment, str) else "",
        "score": score if type(score) is int and 1 <= score <= MAX_SCORE else None,
        "created_at": created_at.isoformat() if created_at else None,
        "rater": rater_named(rater),
    }


def said(verdict: Verdict, fields: Mapping[str, Any], created_at: datetime | None) -> Rating:
    """A rating with the reasons, comment and score that `fields` has, as Parley writes them."""
    reasons, comment, score = (fields.get(name) for name in ("reasons", "comment", "score"))
    return rating(verdict, reasons=reasons, comment=comment, score=score, created_at=created_at)


def rater_named(name: object) -> str:
    """A person as the file names them; "" if it does not."""
    return storable(name)[:_MAX_RATER_CHARS] if isinstance(name, str) else ""


def verdict_of(value: object) -> Verdict | None:
    """A thumb: true and false, 1 and 0 or -1, or the verdicts' own names."""
    if isinstance(value, bool):
        return Verdict.UP if value else Verdict.DOWN
    if isinstance(value, int | float):
        return {1: Verdict.UP, 0: Verdict.DOWN, -1: Verdict.DOWN}.get(int(value) if value in (1, 0, -1) else 2)
    return Verdict(value) if value in (Verdict.UP.value, Verdict.DOWN.value) else None


def scored(value: object, lowest: float, highest: float) -> tuple[Verdict | None, int | None]:
    """The thumb and the score from 1 to 10 of a number on another scale; nothing for what is not on it."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
        return None, None
    share = (value - lowest) / (highest - lowest)
    verdict = Verdict.UP if share >= _GOOD else Verdict.DOWN if share <= _BAD else None
    return verdict, round(share * (MAX_SCORE - 1)) + 1


def placed(
    rankings: Iterable[NodeRanking], positions: Mapping[str, int], parents: Sequence[int | None]
) -> tuple[tuple[ReadRanking, ...], int]:
    """The rankings by `positions` of messages, and how many can't be taken as they are.

    A ranking needs two replies to the same message. Of more than a ranking may have, the best are taken.
    """
    found: list[ReadRanking] = []
    changed = 0
    for one in rankings:
        best = sorted(one.items, key=lambda item: (item.rank is None, item.rank or 0))[:MAX_RANKED_REPLIES]
        items = {
            positions[item.id]: (positions[item.id], item.rank, item.position, item.settings)
            for item in best
            if item.id in positions
        }
        same_parent = len({parents[at] for at in items}) == 1
        changed += len(items) < len(one.items)
        if len(items) < 2 or not same_parent:
            changed += len(items) == len(one.items)
            continue
        found.append(ReadRanking(tuple(items.values()), one.both_bad, one.blind, one.source, one.created_at, one.rater))
    return tuple(found), changed


def settings_of(value: object) -> Mapping[str, object]:
    """What was shown of a model and its settings; nothing if it can't be stored."""
    if not isinstance(value, Mapping):
        return {}
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > _MAX_SETTINGS_CHARS or storable(text) != text or "\\u0000" in text:
        return {}
    return dict(value)
