"""Rows of training data that say how good replies are.

TRL, BELLE, Anthropic HH          {prompt, chosen, rejected} or without prompt
LLaMA-Factory, Colossal-AI        {conversations | instruction | context, chosen, rejected}
TRL, Colossal-AI, LLaMA-Factory   {prompt, completion, label} or {messages, label | kto_tag}
ChatLLaMA                         {user_input, completion, score: 0 … 5}
Parley                            {prompt, completions, ranks, both_bad}

Texts are strings or messages. A choice between two dialogues ranks the replies with which they part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.chat.transfer.reading.dialogues import Turns, asked, begins_with_reply, part, transcript, tree, turn, turns_of
from app.chat.transfer.reading.judgements import NodeRanking, RankedNode, Rating, said, scored, verdict_of
from app.chat.transfer.reading.programs.parley import meta_of
from app.chat.transfer.reading.programs.plain_rows import question_of
from app.chat.transfer.reading.report import Changed, Skipped
from app.chat.transfer.reading.tree import Found
from app.chat.transfer.reading.values import model_of, moment
from app.domain.messages import Role

Row = Mapping[str, Any]

_DIALOGUES = ("prompt", "context", "conversations", "messages")
_SCORES = (0.0, 5.0)  # of ChatLLaMA


def read(row: Row) -> Found | Skipped | None:
    """The conversation of a row; ``None`` if it says nothing about its replies."""
    if "chosen" in row and "rejected" in row:
        return _pair(row, row["chosen"], row["rejected"])
    if isinstance(row.get("output"), list) and len(row["output"]) == 2 and question_of(row):
        return _pair(row, *row["output"])  # LLaMA-Factory's former form, the better one first
    if isinstance(row.get("completions"), list) and isinstance(row.get("ranks"), list):
        return _ranking(row)
    if (verdict := verdict_of(row.get("label", row.get("kto_tag")))) is not None:
        meta = meta_of(row)
        return _rated(row, said(verdict, meta, moment(meta.get("judged_at"))))
    if "score" in row and "user_input" in row:
        return _scored(row)
    return None


def _pair(row: Row, chosen: object, rejected: object) -> Found | Skipped | None:
    prompt = _prompt(row)
    branches = [_reply(one, whole=prompt is None) for one in (chosen, rejected)]
    better, worse = branches
    if better is None or worse is None:
        return Skipped.NO_MESSAGES
    if not begins_with_reply(better):  # both are whole dialogues, whatever else the row has
        shared = part([better, worse])
        prompt, better, worse = better[:shared], better[shared:], worse[shared:]
    elif not prompt:
        return Skipped.NO_MESSAGES
    if not prompt or not begins_with_reply(better) or not begins_with_reply(worse):
        return Skipped.OTHER_PROMPTS
    meta = meta_of(row)
    found = tree(prompt, [_by(better, meta.get("chosen")), _by(worse, meta.get("rejected"))])
    order = [RankedNode("0.0", 1), RankedNode("1.0", 2)]
    found.rankings.append(NodeRanking(order, created_at=moment(meta.get("judged_at"))))
    return _row(found)


def _ranking(row: Row) -> Found | Skipped:
    prompt = _prompt(row)
    branches = [_reply(one, whole=False) for one in row["completions"]]
    ranks = row["ranks"]
    replies = [branch for branch in branches if branch is not None and begins_with_reply(branch)]
    are_ranks = all(type(rank) is int and 0 <= rank < 1 << 31 for rank in ranks)
    if not prompt or len(replies) < len(branches) or len(ranks) != len(replies) or not are_ranks:
        return Skipped.NO_MESSAGES
    meta = meta_of(row)
    written, shown = _list(meta.get("replies"), len(replies)), _list(meta.get("positions"), len(replies))
    found = tree(prompt, [_by(branch, one) for branch, one in zip(replies, written, strict=True)])
    both_bad = row.get("both_bad") is True
    items = [
        RankedNode(f"{n}.0", None if both_bad else rank + 1, at if type(at) is int and 0 <= at < 1000 else None)
        for n, (rank, at) in enumerate(zip(ranks, shown, strict=True))
    ]
    if len({item.position for item in items}) < len(items):
        items = [replace(item, position=None) for item in items]
    at = moment(meta.get("judged_at"))
    found.rankings.append(NodeRanking(items, both_bad, meta.get("blind") is True, created_at=at))
    return _row(found)


def _scored(row: Row) -> Found | Skipped:
    verdict, score = scored(row["score"], *_SCORES)
    meta = meta_of(row)
    given = None
    if meta.get("kind") == "label":  # our own: the thumb beside the score
        verdict = verdict_of(_votes(meta, "votes_up") > _votes(meta, "votes_down"))
        score = meta.get("score")
    if verdict is not None:
        given = said(verdict, {**meta, "score": score}, moment(meta.get("judged_at")))
    found = _rated(row, given)
    if given is None and isinstance(found, Found):
        found.changed[Changed.SCORES] += 1
    return found


def _rated(row: Row, given: Rating | None) -> Found | Skipped:
    """The dialogue of a row, its last reply rated."""
    prompt = _prompt(row)
    replies = next((_reply(row[key], whole=False) for key in ("completion", "output", "response") if key in row), None)
    turns = [*(prompt or []), *(replies or [])]
    found = tree(_by(turns, meta_of(row)), [])
    last = found.nodes[-1] if found.nodes else None
    if last is None or last.role is not Role.ASSISTANT or last.left_out is not None or len(found.nodes) < 2:
        return Skipped.NO_MESSAGES
    found.nodes[-1] = replace(last, ratings=(given,) if given else ())
    return _row(found)


def _row(found: Found) -> Found:
    found.is_row = True
    return found


def _prompt(row: Row) -> Turns | None:
    """What the replies answer, without the system prompt beside it, which every record may have."""
    history = row.get("history")
    question = question_of(row)
    if question is not None:
        pairs = [pair for pair in history if isinstance(pair, list)] if isinstance(history, list) else []
        before = [turn(("user", "assistant")[n % 2], x) for pair in pairs for n, x in enumerate(pair[:2])]
        return [*before, *asked(question)]
    found = (turns_of(row.get(key), "user") for key in _DIALOGUES)
    return next((turns for turns in found if turns), None)


def _reply(value: object, *, whole: bool) -> Turns | None:
    """A reply as messages. `whole`: it may be a dialogue in one text, since the row has no other prompt."""
    dialogue = transcript(value) if whole else None
    return dialogue or turns_of(value, "assistant")


def _by(turns: Sequence[Mapping[str, Any]], meta: object) -> Turns:
    """The messages, the last of them by the model that `meta` names."""
    model = model_of(meta) if isinstance(meta, Mapping) else ""
    return [*turns[:-1], {**turns[-1], "model": model}] if model and turns else list(turns)


def _list(value: object, length: int) -> list[Any]:
    return value if isinstance(value, list) and len(value) == length else [None] * length


def _votes(meta: Mapping[str, Any], name: str) -> int:
    value = meta.get(name)
    return value if type(value) is int else 0
