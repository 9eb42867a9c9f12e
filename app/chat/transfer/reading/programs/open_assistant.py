"""Open-Assistant's message trees, with the ranks of replies and the labels of reviewers.

    {"message_tree_id", "tree_state", "prompt": {"message_id", "role", "text", "rank", "labels", "replies": […]}}

or the messages of a tree one after the other. Ranks count from 0, the best; they were merged from those of several
people. Labels are shares from 0 to 1, as ``{name: {value, count}}`` or ``{name: […], value: […]}``.
https://github.com/LAION-AI/Open-Assistant/blob/main/docs/docs/data/schemas.md
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.chat.transfer.reading.judgements import NodeRanking, RankedNode, Rating, rating, scored
from app.chat.transfer.reading.messages import nested, nodes_of
from app.chat.transfer.reading.report import Changed, LeftOut, Skipped
from app.chat.transfer.reading.tree import Found, Node
from app.chat.transfer.reading.values import date_of
from app.domain.feedback import Verdict
from app.domain.messages import Role

_REJECTED = ("aborted_low_grade", "halted_by_moderator")
_MAJORITY = 0.5
_UNSAFE = ("not_appropriate", "hate_speech", "sexual_content", "pii")
_REASONS = {"lang_mismatch": "language", "creativity": "creative"}
_CLEAR = 0.75


def read(record: object) -> Found | Skipped | None:
    """The messages of a tree; ``None`` if the record is none."""
    if isinstance(record, list):
        is_tree = any(isinstance(one, Mapping) and "message_tree_id" in one for one in record)
        return _found(record) if is_tree else None
    prompt = record.get("prompt") if isinstance(record, Mapping) else None
    if not isinstance(record, Mapping) or not isinstance(prompt, Mapping):
        return None
    if not isinstance(prompt.get("replies"), list):
        return None
    if record.get("tree_state") in _REJECTED:
        return Skipped.REJECTED
    return _found(list(nested([prompt])))


def _found(items: Sequence[object]) -> Found:
    found = nodes_of(enumerate(items))
    changed: Counter[Changed] = found.changed
    nodes, ranks = [], {}
    for node, item in zip(found.nodes, items, strict=True):
        if not isinstance(item, Mapping):
            nodes.append(node)
            continue
        labels = _labels(item.get("labels"))
        left_out = node.left_out or _left_out(item, labels)
        given = _rating(item, labels) if node.role is Role.ASSISTANT and left_out is None else None
        if given is None and "quality" in labels and node.role is Role.ASSISTANT and left_out is None:
            changed[Changed.SCORES] += 1
        nodes.append(replace(node, left_out=left_out, ratings=(given,) if given else ()))
        if type(item.get("rank")) is int and 0 <= item["rank"] < 1 << 30 and left_out is None:
            ranks[node.id] = item["rank"] + 1
    return Found(nodes, changed, _rankings(nodes, ranks), is_row=True)


def _rankings(nodes: Sequence[Node], ranks: Mapping[str, int]) -> list[NodeRanking]:
    siblings: dict[str | None, list[Node]] = {}
    for node in nodes:
        if node.role is Role.ASSISTANT and node.id in ranks:
            siblings.setdefault(node.parent_id, []).append(node)
    return [
        NodeRanking([RankedNode(node.id, ranks[node.id]) for node in group], created_at=group[-1].created_at)
        for group in siblings.values()
        if len(group) > 1
    ]


def _left_out(item: Mapping[str, Any], labels: Mapping[str, float]) -> LeftOut | None:
    if item.get("deleted") is True:
        return LeftOut.DELETED
    return LeftOut.SPAM if labels.get("spam", 0) >= _MAJORITY or item.get("review_result") is False else None


def _rating(item: Mapping[str, Any], labels: Mapping[str, float]) -> Rating | None:
    """The rating that the labels mean: by quality; what most find unsafe is bad."""
    verdict, score = scored(labels.get("quality"), 0, 1)
    reasons = [reason for name, reason in _REASONS.items() if labels.get(name, 0) >= _CLEAR]
    if any(labels.get(name, 0) >= _MAJORITY for name in _UNSAFE):
        verdict, score, reasons = Verdict.DOWN, None, ["unsafe", *reasons]
    if verdict is None:
        return None
    return rating(verdict, reasons=reasons, score=score, created_at=date_of(item))


def _labels(given: object) -> dict[str, float]:
    """The shares by name."""
    if not isinstance(given, Mapping):
        return {}
    names, values = given.get("name"), given.get("value")
    if isinstance(names, list) and isinstance(values, list):
        pairs = list(zip(names, values, strict=False))
    else:
        pairs = [(name, one.get("value")) for name, one in given.items() if isinstance(one, Mapping)]
    return {str(name): float(value) for name, value in pairs if type(value) in (int, float) and 0 <= value <= 1}
