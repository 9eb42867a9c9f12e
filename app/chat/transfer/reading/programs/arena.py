"""Votes of FastChat and of the Chatbot Arena.

A line of FastChat's log       {tstamp, type: "leftvote", models: [a, b], states: [state, state], ip}
                               {tstamp, type: "upvote", model, state, ip}; its other types are steps of a chat
  a state                      {roles: [user, model], messages: [[role, text]], offset, model_name, system_message}
A row of the published votes   {model_a, model_b, winner, judge, conversation_a: [{role, content}], conversation_b}

A vote is about whole dialogues. It ranks the replies with which they part: those to the first question.
https://github.com/lm-sys/FastChat/blob/main/docs/dataset_release.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.chat.transfer.reading.dialogues import Turns, begins_with_reply, part, tree, turn
from app.chat.transfer.reading.judgements import NodeRanking, RankedNode, rater_named, rating
from app.chat.transfer.reading.report import Skipped
from app.chat.transfer.reading.tree import Found
from app.chat.transfer.reading.values import date_of
from app.domain.feedback import Verdict
from app.domain.messages import Role

_VOTES: dict[str, tuple[int, int] | None] = {  # the ranks of left and right; None: both bad
    "leftvote": (1, 2),
    "rightvote": (2, 1),
    "tievote": (1, 1),
    "bothbad_vote": None,
    "model_a": (1, 2),
    "model_b": (2, 1),
    "tie": (1, 1),
    "tie (bothbad)": None,
    "both_bad": None,
}
_THUMBS: dict[str, tuple[Verdict, tuple[str, ...]]] = {
    "upvote": (Verdict.UP, ()),
    "downvote": (Verdict.DOWN, ()),
    "flag": (Verdict.DOWN, ("unsafe",)),
}
_LOG = ("type", "tstamp")


def read(record: Mapping[str, Any]) -> Found | Skipped | None:
    """The dialogues of a vote; ``None`` if the record is none."""
    if all(isinstance(record.get(f"conversation_{side}"), list) for side in "ab"):
        return _row(record)
    if not all(name in record for name in _LOG) or not ("state" in record or "states" in record):
        return None
    states, kind = record.get("states"), record["type"]
    if isinstance(kind, str) and kind in _VOTES and isinstance(states, list) and len(states) == 2:
        named = record.get("models")
        blind = isinstance(named, list) and not any(named)
        return _vote(record, kind, [_turns(state, _model(named, n)) for n, state in enumerate(states)], blind=blind)
    if isinstance(kind, str) and kind in _THUMBS:
        return _thumb(record, _turns(record.get("state"), record.get("model")), *_THUMBS[kind])
    return Skipped.NO_VOTE


def _row(record: Mapping[str, Any]) -> Found | Skipped:
    dialogues: list[Turns] = []
    for side in "ab":
        model = record.get(f"model_{side}")
        said = [one for one in record[f"conversation_{side}"] if isinstance(one, Mapping)]
        dialogues.append([{**one, "model": model} if begins_with_reply([one]) else one for one in said])
    winner = record.get("winner")
    if not isinstance(winner, str) or winner not in _VOTES:
        return Skipped.NO_VOTE
    return _vote(record, winner, dialogues, blind=record.get("anony") is True)


def _vote(record: Mapping[str, Any], kind: str, dialogues: Sequence[Turns], *, blind: bool) -> Found | Skipped:
    if not all(dialogues):
        return Skipped.NO_MESSAGES
    shared = part(dialogues)
    branches = [dialogue[shared:] for dialogue in dialogues]
    if not shared or not all(map(begins_with_reply, branches)):
        return Skipped.OTHER_PROMPTS
    found = tree(dialogues[0][:shared], branches)
    ranks = _VOTES[kind]
    items = [RankedNode(f"{n}.0", ranks[n] if ranks else None, n) for n in range(2)]
    rater = _rater(record)
    found.rankings.append(NodeRanking(items, ranks is None, blind, created_at=date_of(record), rater=rater))
    found.is_row = True
    return found


def _thumb(record: Mapping[str, Any], turns: Turns, verdict: Verdict, reasons: tuple[str, ...]) -> Found | Skipped:
    found = tree(turns, [])
    last = found.nodes[-1] if found.nodes else None
    if last is None or last.role is not Role.ASSISTANT or last.left_out is not None:
        return Skipped.NO_MESSAGES
    given = rating(verdict, reasons=reasons, created_at=date_of(record), rater=_rater(record))
    found.nodes[-1] = replace(last, ratings=(given,))
    found.is_row = True
    return found


def _turns(state: object, model: object) -> Turns:
    """The messages of a dialogue, without those that its template begins with."""
    if not isinstance(state, Mapping) or not isinstance(state.get("messages"), list):
        return []
    roles, offset = state.get("roles"), state.get("offset")
    person = roles[0] if isinstance(roles, list) and roles else None
    name = model or state.get("model_name")
    system = state.get("system_message") or state.get("system")
    said = [turn("system", system)] if isinstance(system, str) and system.strip() else []
    pairs = state["messages"][offset if type(offset) is int and offset >= 0 else 0 :]
    for n, pair in enumerate(pair for pair in pairs if isinstance(pair, list) and len(pair) >= 2):
        text = pair[1][0] if isinstance(pair[1], list) and pair[1] else pair[1]  # a text, or one with pictures
        is_person = pair[0] == person if person is not None else n % 2 == 0
        if isinstance(text, str) and text.strip():
            said.append(turn("user", text) if is_person else {**turn("assistant", text), "model": name})
    return said


def _model(models: object, side: int) -> object:
    return models[side] if isinstance(models, list) and len(models) == 2 else None


def _rater(record: Mapping[str, Any]) -> str:
    return rater_named(record.get("judge") or record.get("ip"))
