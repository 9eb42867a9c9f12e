"""Argilla's flattened records: fields by name, and for each question the answers of several people.

    {"id", "prompt", "response1", "response2",
     "preference.responses": […], "preference.responses.users": […], "preference.responses.status": […]}

or, as its older export has them, ``{"preference": [{"user_id", "value", "status"}]}``. People name fields and questions
as they like, so replies are the fields that are called so. Of submitted answers those are taken that are a ranking, the
name of a reply, a thumb or a number; suggestions are a model's.
https://docs.argilla.io/latest/how_to_guides/import_export/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.chat.transfer.reading.dialogues import tree, turns_of
from app.chat.transfer.reading.judgements import (
    NodeRanking,
    RankedNode,
    Rating,
    rater_named,
    rating,
    scored,
    verdict_of,
)
from app.chat.transfer.reading.report import Changed, Skipped
from app.chat.transfer.reading.tree import Found
from app.chat.transfer.reading.values import date_of
from app.domain.feedback import Verdict

_RESPONSES = ".responses"
_REPLY = re.compile(
    r"(?:response|completion|generation|answer|output|reply|text)[-_ ]?(?:\d{1,3}|[a-d])?", re.IGNORECASE
)
_PROMPTS = ("prompt", "instruction", "question", "input", "query", "messages", "conversation", "chat")
_TIES = frozenset({"tie", "equal", "same", "both", "both_good"})
_BOTH_BAD = frozenset({"both_bad", "neither", "none"})
_GOOD = frozenset({"good", "yes", "up", "positive", "accept", "accepted", "correct", "like", "liked"})
_BAD = frozenset({"bad", "no", "down", "negative", "reject", "rejected", "incorrect", "dislike", "disliked"})


@dataclass(frozen=True, slots=True)
class _Answer:
    question: str
    value: object
    rater: str


def read(record: Mapping[str, Any]) -> Found | Skipped | None:
    """The replies of a record with what people answered; ``None`` if it is no record of Argilla."""
    if not _is_flattened(record):
        return None
    answers = list(_answers(record))
    prompt = next((turns for name in _PROMPTS if (turns := turns_of(record.get(name), "user"))), None)
    questions = {answer.question for answer in answers}
    replies = {
        name: turns
        for name, value in record.items()
        if _REPLY.fullmatch(name) and name not in questions and (turns := turns_of(value, "assistant"))
    }
    if not prompt or not replies:
        return Skipped.NO_MESSAGES
    found = tree(prompt, list(replies.values()))
    found.is_row = True
    ids = {name: f"{n}.0" for n, name in enumerate(replies)}
    at = date_of(record)
    ratings: list[Rating] = []
    for answer in answers:
        ranks = _ranks(answer.value, list(replies))
        if ranks is not None:
            items = [RankedNode(ids[name], rank) for name, rank in ranks.items()]
            both_bad = all(rank is None for rank in ranks.values())
            found.rankings.append(NodeRanking(items, both_bad, created_at=at, rater=answer.rater))
        elif len(replies) == 1:
            verdict, score = _thumb(answer.value)
            if verdict is not None:
                ratings.append(rating(verdict, score=score, created_at=at, rater=answer.rater))
            elif score is not None:
                found.changed[Changed.SCORES] += 1
    found.nodes = [replace(node, ratings=ratings) if node.id == "0.0" else node for node in found.nodes]
    return found if found.rankings or ratings else Skipped.NO_VOTE


def _is_flattened(record: Mapping[str, Any]) -> bool:
    return any(key.endswith(_RESPONSES) and isinstance(value, list) for key, value in record.items()) or any(
        _is_answered(value) for value in record.values()
    )


def _is_answered(value: object) -> bool:
    """Whether it is the list of answers to a question in the older export."""
    return isinstance(value, list) and any(
        isinstance(one, Mapping) and {"user_id", "value", "status"} <= one.keys() for one in value
    )


def _answers(record: Mapping[str, Any]) -> Iterator[_Answer]:
    """The submitted answers."""
    for key, value in record.items():
        if key.endswith(_RESPONSES) and isinstance(value, list):
            users, states = (_beside(record, f"{key}.{name}", len(value)) for name in ("users", "status"))
            for one, user, state in zip(value, users, states, strict=True):
                if state in (None, "submitted"):
                    yield _Answer(key.removesuffix(_RESPONSES), one, rater_named(user))
        elif _is_answered(value):
            for one in value:
                if isinstance(one, Mapping) and one.get("status") == "submitted":
                    yield _Answer(key, one.get("value"), rater_named(one.get("user_id")))


def _beside(record: Mapping[str, Any], key: str, length: int) -> Sequence[object]:
    value = record.get(key)
    return value if isinstance(value, list) and len(value) == length else [None] * length


def _ranks(value: object, names: Sequence[str]) -> Mapping[str, int | None] | None:
    """The ranks that an answer gives to replies: an order, ``{value, rank}``, or the name of the best one."""
    if isinstance(value, Mapping):
        value = [{"value": name, "rank": rank} for name, rank in zip(*_columns(value), strict=False)]
    if isinstance(value, list):
        if all(isinstance(one, str) and one in names for one in value) and len(value) > 1:
            return {str(name): rank for rank, name in enumerate(value, 1)}
        ranks = {
            one["value"]: one["rank"]
            for one in value
            if isinstance(one, Mapping) and one.get("value") in names and type(one.get("rank")) is int
        }
        return ranks if len(ranks) > 1 and min(ranks.values()) > 0 else None
    if not isinstance(value, str) or len(names) < 2:
        return None
    if value in names:
        return {name: 1 if name == value else 2 for name in names}
    said = value.strip().lower()
    return dict.fromkeys(names, 1 if said in _TIES else None) if said in _TIES | _BOTH_BAD else None


def _columns(value: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    names, ranks = value.get("value"), value.get("rank")
    return (names, ranks) if isinstance(names, list) and isinstance(ranks, list) else ([], [])


def _thumb(value: object) -> tuple[Verdict | None, int | None]:
    """The thumb and score of an answer about one reply. Numbers up to 5 are taken for a scale that ends there."""
    if isinstance(value, str):
        said = value.strip().lower()
        return (Verdict.UP if said in _GOOD else Verdict.DOWN if said in _BAD else verdict_of(said)), None
    if isinstance(value, bool):
        return verdict_of(value), None
    return scored(value, 1, 5 if isinstance(value, int | float) and value <= 5 else 10)
