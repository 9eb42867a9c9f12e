"""Filters of derived rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from app.domain.derivation import generated
from app.domain.feedback import ConversationFeedback, Decision, Verdict, current_ratings, current_reviews
from app.domain.languages import language_of
from app.domain.messages import Message, Role, by_id
from app.domain.training_rows import (
    RATINGS,
    Demonstration,
    Drop,
    Drops,
    Label,
    Pair,
    RankedReplies,
    Reply,
    RowKind,
    Seen,
    TrainingRows,
)
from app.feedback.datasets.spec import Filters

T = TypeVar("T", Label, Pair, RankedReplies, Demonstration)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the filters ask about a row."""

    kind: RowKind
    replies: Sequence[Reply]
    source: str
    good: Reply | None = None  # the reply that is preferred or imitated
    reasons: Sequence[str] = ()


@dataclass(slots=True)
class RowFilter:
    """Takes the rows of a conversation that match and that no other conversation gave; counts the others."""

    filters: Filters
    kinds: frozenset[RowKind]
    filtered: Counter[str]
    dropped: dict[RowKind, Drops]
    _seen: Seen = field(default_factory=Seen)

    def apply(self, feedback: ConversationFeedback, rows: TrainingRows) -> TrainingRows:
        """The rows that are left; the weights of the pairs of a prompt add up to 1 again."""
        about = _Conversation(feedback)
        kept = TrainingRows(
            self._kept(RowKind.LABEL, rows.labels, _of_label, about),
            self._kept(RowKind.PAIR, rows.pairs, _of_pair, about),
            self._kept(RowKind.RANKING, rows.rankings, _of_ranking, about),
            self._kept(RowKind.DEMONSTRATION, rows.demonstrations, _of_demonstration, about),
        )
        sizes = Counter(map(_group, kept.pairs))
        kept.pairs = [replace(pair, weight=1 / sizes[_group(pair)]) for pair in kept.pairs]
        return kept

    def _kept(self, kind: RowKind, rows: list[T], facts_of: Callable[[T], _Facts], about: _Conversation) -> list[T]:
        if kind not in self.kinds:
            return []
        kept = []
        for row in rows:
            facts = facts_of(row)
            reason = self._reason(facts, about)
            if reason:
                self.filtered[reason] += 1
            elif not self._is_new(facts, row):
                self.dropped.setdefault(kind, Drops())[Drop.DUPLICATE] += 1
            else:
                kept.append(row)
        return kept

    def _is_new(self, facts: _Facts, row: Label | Pair | RankedReplies | Demonstration) -> bool:
        if facts.kind is RowKind.RANKING:  # one rater's: that two agree is no duplicate
            return True
        texts = [reply.message.content for reply in facts.replies]
        liked = [str(row.liked)] if isinstance(row, Label) else []
        return self._seen.add(facts.kind, facts.replies[0].prompt, *texts, *liked)

    def _reason(self, facts: _Facts, about: _Conversation) -> str:
        """The filter that leaves the row out; "" for none."""
        wanted = self.filters
        if wanted.sources and facts.source not in wanted.sources:
            return "source"
        if wanted.models and not any(about.model(reply.message) in wanted.models for reply in facts.replies):
            return "model"
        if wanted.adapters and not any(about.adapter(reply.message) in wanted.adapters for reply in facts.replies):
            return "adapter"
        if wanted.reasons and not set(facts.reasons) & set(wanted.reasons):
            return "reason"
        if wanted.languages and language_of(_question(facts.replies[0])) not in wanted.languages:
            return "language"
        if wanted.min_score is not None and facts.good is not None:
            score = about.score(facts.good.message)
            if score is None or score < wanted.min_score:
                return "min_score"
        return ""


class _Conversation:
    """What is known about the messages of a conversation."""

    def __init__(self, feedback: ConversationFeedback) -> None:
        self._messages: Mapping[str, Message] = by_id(feedback.messages)
        reviews = current_reviews(feedback.reviews)
        excluded = {key for key, review in reviews.items() if review.decision is Decision.EXCLUDED}
        scores: dict[str, list[int]] = {}
        for rating in current_ratings(feedback.ratings):
            counts = rating.verdict is not Verdict.RETRACTED and rating.id not in excluded
            if counts and rating.score is not None:
                scores.setdefault(rating.message_id, []).append(rating.score)
        self._scores = scores

    def model(self, message: Message) -> str:
        """The model that wrote it; of a correction, the one that wrote the original."""
        written = generated(self._messages, message)
        return written.provenance.model_id if written.provenance else written.imported_model or ""

    def adapter(self, message: Message) -> str:
        made = generated(self._messages, message).provenance
        return made.adapter or "" if made else ""

    def score(self, message: Message) -> float | None:
        """The mean of the scores that count: not those of ratings that were retracted or excluded."""
        given = self._scores.get(message.id)
        return sum(given) / len(given) if given else None


def _of_label(row: Label) -> _Facts:
    good = row.reply if row.liked else None
    return _Facts(RowKind.LABEL, [row.reply], RATINGS, good, row.rating.reasons)


def _of_pair(row: Pair) -> _Facts:
    return _Facts(RowKind.PAIR, [row.chosen, row.rejected], row.source, row.chosen, row.reasons)


def _of_ranking(row: RankedReplies) -> _Facts:
    good = None if row.ranking.both_bad else row.replies[0]
    return _Facts(RowKind.RANKING, row.replies, row.ranking.source.value, good)


def _of_demonstration(row: Demonstration) -> _Facts:
    return _Facts(RowKind.DEMONSTRATION, [row.reply], row.source, row.reply)


def _question(reply: Reply) -> str:
    return next(turn.content for turn in reversed(reply.prompt) if turn.role is Role.USER)


def _group(pair: Pair) -> tuple[object, object]:
    """The prompt that the pair's replies share."""
    return pair.chosen.message.parent_id, pair.chosen.prompt
