"""Open-Assistant's message trees: ``{message_tree_id, tree_state, prompt: {…, replies: […]}}``, one per first question.

A tree contains the judged replies with what led to them. Replies of one parent that were compared have a ``rank``, 0 is
best: by the number of others that a majority put below them less those above; other messages have none, as in
Open-Assistant's own files. ``labels`` are shares of the raters: ``quality`` from scores and thumbs, ``creativity``,
``lang_mismatch`` and ``not_appropriate`` from their reasons. The system prompt has no place there, and conversations of
more than 200 messages are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from app.domain.feedback import MAX_SCORE, Rating, Verdict, current_ratings
from app.domain.languages import language_of
from app.domain.messages import Message, Role, by_id, path_to
from app.export.base import ALL_KINDS, Format, Options, Row, Source

_ROLES = {Role.USER: "prompter", Role.ASSISTANT: "assistant"}
_LABELS = {"lang_mismatch": "language", "not_appropriate": "unsafe", "creativity": "creative"}  # by reason


_MAX_DEPTH = 200  # of messages; JSON readers refuse what is nested much deeper


def _rows(source: Source, _: Options) -> Iterator[Row | None]:
    tree = _Tree(source)
    for root in tree.children(None):
        if tree.depth(root) > _MAX_DEPTH:
            yield None
        else:
            yield {"message_tree_id": root.id, "tree_state": "ready_for_export", "prompt": tree.node(root)}


class _Tree:
    def __init__(self, source: Source) -> None:
        messages = by_id(source.feedback.messages)
        judged = {reply.message.id for reply, _ in source.rows.judged()}
        shown = {message.id for key in judged for message in path_to(messages, key)}
        self._children: dict[str | None, list[Message]] = {}
        for message in sorted((messages[key] for key in shown), key=lambda m: (m.created_at, m.id)):
            self._children.setdefault(message.parent_id, []).append(message)
        counted = {key for label in source.rows.labels for key in label.judgement_ids}
        self._ratings: dict[str, list[Rating]] = {}
        for rating in current_ratings(source.feedback.ratings):
            if rating.id in counted:
                self._ratings.setdefault(rating.message_id, []).append(rating)
        self._ranks = _ranks(source)

    def children(self, parent_id: str | None) -> Sequence[Message]:
        return self._children.get(parent_id, [])

    def depth(self, root: Message) -> int:
        """How many messages its longest path has."""
        level, depth = [root], 0
        while level:
            level, depth = [child for message in level for child in self.children(message.id)], depth + 1
        return depth

    def node(self, root: Message) -> Row:
        """The message with all below it; without recursion, since conversations can be long."""
        made, todo = self._node(root), [root]
        nodes = {root.id: made}
        while todo:
            message = todo.pop()
            for child in self.children(message.id):
                nodes[child.id] = self._node(child)
                nodes[message.id]["replies"].append(nodes[child.id])
                todo.append(child)
        return made

    def _node(self, message: Message) -> Row:
        made = message.provenance
        rank = {"rank": self._ranks[message.id]} if message.id in self._ranks else {}
        return {
            "message_id": message.id,
            **({"parent_id": message.parent_id} if message.parent_id else {}),
            "text": message.content,
            "role": _ROLES[message.role],
            "lang": language_of(message.content) or "en",
            "synthetic": made is not None or bool(message.imported_model),
            "model_name": made.model_id if made else message.imported_model or "",
            **rank,
            "labels": _labels(self._ratings.get(message.id, [])),
            "replies": [],
        }


def _ranks(source: Source) -> Mapping[str, int]:
    """The rank of each reply that was compared, among those with the same parent; equal ones are ties."""
    balance: Counter[str] = Counter()
    siblings: dict[str | None, set[str]] = {}
    for pair in source.rows.pairs:
        balance[pair.chosen.message.id] += 1
        balance[pair.rejected.message.id] -= 1
        siblings.setdefault(pair.chosen.message.parent_id, set()).update(
            (pair.chosen.message.id, pair.rejected.message.id)
        )
    ranks = {}
    for group in siblings.values():
        order = sorted({balance[key] for key in group}, reverse=True)
        ranks.update({key: order.index(balance[key]) for key in group})
    return ranks


def _labels(ratings: Sequence[Rating]) -> Row:
    if not ratings:
        return {}
    labels = {"quality": {"value": _mean([_quality(rating) for rating in ratings]), "count": len(ratings)}}
    for name, reason in _LABELS.items():
        said = [reason in rating.reasons for rating in ratings]
        if any(said):
            labels[name] = {"value": _mean(said), "count": len(said)}
    return labels


def _quality(rating: Rating) -> float:
    if rating.score is not None:
        return (rating.score - 1) / (MAX_SCORE - 1)
    return float(rating.verdict is Verdict.UP)


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4)


FORMAT = Format(
    "open_assistant", "Trees of messages with ranks and labels, as Open-Assistant has them.", ALL_KINDS, _rows
)
