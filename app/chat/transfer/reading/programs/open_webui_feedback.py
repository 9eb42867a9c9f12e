"""Open WebUI's export of feedback: one record for each rating, with a snapshot of its chat.

    {"id", "user_id", "type": "rating", "data": {"rating", "model_id", "sibling_model_ids", "reason", "comment", …},
     "meta": {"arena", "chat_id", "message_id"}, "created_at",
     "snapshot": {"chat": {"title", "chat": {"history": {…}}}}}

A thumb in its arena is a vote: up says that the reply is better than those of the models in `sibling_model_ids`, down
that it is worse. They are its siblings in the snapshot. What else the snapshot has been rated is in other records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.chat.transfer.reading.judgements import NodeRanking, RankedNode, rater_named
from app.chat.transfer.reading.messages import nodes_of
from app.chat.transfer.reading.programs.open_webui_rating import annotation, thumb_of
from app.chat.transfer.reading.report import Skipped
from app.chat.transfer.reading.tree import Found, Node
from app.chat.transfer.reading.values import date_of
from app.domain.feedback import Verdict
from app.domain.messages import Role


def is_feedback(record: Mapping[str, Any]) -> bool:
    """Whether it is a record of that export."""
    return all(isinstance(record.get(name), Mapping) for name in ("data", "snapshot"))


def snapshot_of(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The chat at the time of the rating, as in the export of chats."""
    chat = record["snapshot"].get("chat")
    return chat if isinstance(chat, Mapping) else {}


def read(record: Mapping[str, Any]) -> Found | Skipped | None:
    """The chat with this rating; ``None`` if the record is another one."""
    if not is_feedback(record):
        return None
    outer = snapshot_of(record)
    chat = outer.get("chat") if isinstance(outer.get("chat"), Mapping) else outer
    history = chat.get("history") if isinstance(chat, Mapping) else None
    messages = history.get("messages") if isinstance(history, Mapping) else None
    if not isinstance(messages, Mapping):
        return Skipped.NO_MESSAGES
    found = nodes_of(messages.items())
    rated = _rated(record, found.nodes)
    given = annotation(record["data"], date_of(record), rater_named(record.get("user_id")))
    if rated is None or given is None:
        return Skipped.NO_VOTE
    nodes = [replace(node, ratings=(given,) if node.id == rated.id else ()) for node in found.nodes]
    return Found(nodes, found.changed, _votes(record, rated, nodes), is_row=True)


def _rated(record: Mapping[str, Any], nodes: Sequence[Node]) -> Node | None:
    """The reply that the record is about; without an id, the last one of the model that it names."""
    meta = record.get("meta")
    about = meta.get("message_id") if isinstance(meta, Mapping) else None
    replies = [node for node in nodes if node.role is Role.ASSISTANT and node.left_out is None]
    if about is not None:
        return next((node for node in replies if node.id == about), None)
    model = record["data"].get("model_id")
    return next((node for node in reversed(replies) if node.model == model), None)


def _votes(record: Mapping[str, Any], rated: Node, nodes: Sequence[Node]) -> list[NodeRanking]:
    rivals = record["data"].get("sibling_model_ids")
    thumb = thumb_of(record["data"])
    if not isinstance(rivals, list) or thumb is None:
        return []
    siblings = [
        node
        for node in nodes
        if node.parent_id == rated.parent_id and node.id != rated.id and node.model in rivals and node.left_out is None
    ]
    if not siblings:
        return []
    mine, theirs = (1, 2) if thumb is Verdict.UP else (2, 1)
    items = [RankedNode(rated.id, mine), *(RankedNode(node.id, theirs) for node in siblings)]
    meta = record.get("meta")
    is_blind = isinstance(meta, Mapping) and meta.get("arena") is True
    rater = rater_named(record.get("user_id"))
    return [NodeRanking(items, blind=is_blind, created_at=date_of(record), rater=rater)]
