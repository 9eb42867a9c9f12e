"""What Parley's own files have beside the messages: ratings and rankings of its JSON, the origin of rows of datasets.

:mod:`app.chat.transfer.parley_json` writes the first, the formats of :mod:`app.export` the second: their column
``meta`` is a JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from app.chat.transfer.reading.judgements import NodeRanking, RankedNode, Rating, rating, said, settings_of
from app.chat.transfer.reading.tree import Found
from app.chat.transfer.reading.values import model_of, moment
from app.domain.feedback import RankingSource, Verdict
from app.domain.messages import Role

FORMAT = "parley.conversation"
VERSION = 1  # what is added to the format keeps it: readers pass over what they don't know

_MAX_META_CHARS = 100_000
_SOURCES = frozenset(source.value for source in RankingSource)


def own_rating(given: object) -> Rating | None:
    """The rating in the file, without what it can't have."""
    if not isinstance(given, Mapping) or given.get("verdict") not in (Verdict.UP, Verdict.DOWN):
        return None
    return said(Verdict(given["verdict"]), given, moment(given.get("created_at")))


def own_rankings(given: object) -> Iterator[NodeRanking]:
    """The rankings in the file, without those that can't be one."""
    for one in given if isinstance(given, list) else ():
        items = one.get("items") if isinstance(one, Mapping) else None
        found = [_item(item) for item in items] if isinstance(items, list) else []
        both_bad = isinstance(one, Mapping) and one.get("both_bad") is True
        ranked = [item for item in found if item is not None and (both_bad or item.rank is not None)]
        if len(ranked) < len(found) or not found or str(one.get("source")) not in _SOURCES:
            continue
        source, at = RankingSource(one["source"]), moment(one.get("created_at"))
        yield NodeRanking(ranked, both_bad, one.get("blind") is True, source, at)


def _item(given: object) -> RankedNode | None:
    if not isinstance(given, Mapping) or not isinstance(given.get("message_id"), str):
        return None
    rank, position = (_count(given.get(name), least) for name, least in (("rank", 1), ("position", 0)))
    return RankedNode(given["message_id"], rank, position, settings_of(given.get("settings")))


def _count(value: object, least: int) -> int | None:
    return value if type(value) is int and least <= value < 1 << 31 else None


def meta_of(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where a row of Parley's datasets comes from; empty for other rows."""
    text = row.get("meta")
    if not isinstance(text, str) or len(text) > _MAX_META_CHARS:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("kind"), str) else {}


def demonstrated(found: Found, row: Mapping[str, Any]) -> Found:
    """A row that shows a reply to imitate: somebody liked it."""
    meta = meta_of(row)
    last = found.nodes[-1] if found.nodes else None
    if meta.get("kind") != "demonstration" or last is None or last.role is not Role.ASSISTANT:
        return found
    liked = rating(Verdict.UP, created_at=moment(meta.get("judged_at")))
    written = replace(last, ratings=(liked,), model=model_of(meta))
    return Found([*found.nodes[:-1], written], found.changed, found.rankings, is_row=True)
