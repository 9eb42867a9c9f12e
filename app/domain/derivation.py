"""The rules that turn feedback into training rows.

Everything that uses feedback (training files, datasets, review, what became of a judgement) derives it with
:func:`derive`. What does not become a row is dropped, with a reason and the judgements concerned. A conversation whose
owner does not allow training gives no rows at all.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from app.domain.feedback import (
    ConversationFeedback,
    Decision,
    Ranking,
    RankingSource,
    Rating,
    Verdict,
    current_rankings,
    current_ratings,
    current_reviews,
)
from app.domain.messages import Conversation, Message, MessageState, Role, Turn, by_id, path_to, turns
from app.domain.training_rows import (
    RATINGS,
    Demonstration,
    Drop,
    Dropped,
    Label,
    Pair,
    RankedReplies,
    Reply,
    RowKind,
    Seen,
    TrainingRows,
    normal,
)
from app.errors import MessageNotFound


def derive(feedback: ConversationFeedback, seen: Seen | None = None) -> TrainingRows:
    """All rows of a conversation. Rows that `seen` knows are dropped as duplicates, new ones are added to it."""
    return _Derivation(feedback, seen or Seen()).rows()


def prompt_of(messages: Mapping[str, Message], reply: Message, conversation: Conversation) -> tuple[Turn, ...]:
    """The turns that the model read for `reply`: with the system prompt of that time, without dropped turns.

    For a correction, those of the reply that it corrects. Raises :class:`MessageNotFound` when one of its ancestors is
    missing.
    """
    origin = generated(messages, reply).provenance
    read = turns(path_to(messages, reply.parent_id), origin.system_prompt if origin else conversation.system_prompt)
    system = [t for t in read[:1] if t.role is Role.SYSTEM]
    dropped = origin.dropped_turns if origin else 0
    return (*system, *read[len(system) + dropped :])


def generated(messages: Mapping[str, Message], reply: Message) -> Message:
    """The reply that `reply` corrects, directly or through other corrections; else `reply` itself."""
    found, passed = reply, {reply.id}
    while (original := messages.get(found.corrects_id or "")) is not None and original.id not in passed:
        passed.add(original.id)
        found = original
    return found


_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Votes:
    """The raters who judged two replies against each other, and their latest choice: 1, -1, 0, or None for both bad."""

    choices: dict[str, tuple[int | None, Ranking]] = field(default_factory=dict)

    def count(self, choice: int | None) -> int:
        return sum(given == choice for given, _ in self.choices.values())

    @property
    def rankings(self) -> list[Ranking]:
        return [ranking for _, ranking in self.choices.values()]


class _Derivation:
    def __init__(self, feedback: ConversationFeedback, seen: Seen) -> None:
        self._conversation, self._seen = feedback.conversation, seen
        self._messages = by_id(feedback.messages)
        self._feedback = feedback
        reviews = current_reviews(feedback.reviews)
        self._excluded = {key for key, review in reviews.items() if review.decision is Decision.EXCLUDED}
        self._replies: dict[str, Reply | Drop] = {}
        self._rows = TrainingRows()

    def rows(self) -> TrainingRows:
        ratings: dict[str, list[Rating]] = {}
        for rating in current_ratings(self._feedback.ratings):
            ratings.setdefault(rating.message_id, []).append(rating)
        rankings = current_rankings(self._feedback.rankings)
        if not self._conversation.allow_training:
            given = [rating.id for each in ratings.values() for rating in each] + [ranking.id for ranking in rankings]
            for judgement_id in given:
                self._drop_all(Drop.NO_CONSENT, judgement_id)
            return self._rows
        labels = self._labels(ratings)
        counted = self._counted(rankings)
        self._rankings(counted)
        self._pairs(labels, counted)
        self._demonstrations(labels, counted)
        return self._rows

    # -- labels ------------------------------------------------------------------------------------

    def _labels(self, ratings: Mapping[str, Sequence[Rating]]) -> list[Label]:
        """The labels of all rated replies, oldest first; also of those that are not new, which are compared anyway."""
        known = [self._messages[key] for key in ratings if key in self._messages]
        labels = []
        for message in sorted(known, key=_age):
            label = self._label(message, ratings[message.id])
            if label is None:
                continue
            labels.append(label)
            if self._seen.add(RowKind.LABEL, label.reply.prompt, message.content, str(label.liked)):
                self._rows.labels.append(label)
            else:
                self._drop(RowKind.LABEL, Drop.DUPLICATE, *label.judgement_ids)
        return labels

    def _label(self, message: Message, ratings: Sequence[Rating]) -> Label | None:
        up, down = (list(self._given(ratings, verdict)) for verdict in (Verdict.UP, Verdict.DOWN))
        counted = tuple(rating.id for rating in (*up, *down))
        for rating in ratings:
            if rating.id not in counted:
                self._drop_thumbs(Drop.EXCLUDED if rating.id in self._excluded else Drop.WITHDRAWN, rating.id)
        if not counted:
            return None
        if len(up) == len(down):
            self._drop_thumbs(Drop.CONTRADICTED, *counted)
        elif isinstance(reply := self._reply(message.id), Drop):
            self._drop_thumbs(reply, *counted)
        else:
            majority = max(up, down, key=len)
            latest = max(majority, key=lambda rating: (rating.created_at, rating.id))
            return Label(reply, majority is up, latest, len(up), len(down), counted)
        return None

    def _given(self, ratings: Iterable[Rating], verdict: Verdict) -> Iterator[Rating]:
        return (rating for rating in ratings if rating.verdict is verdict and rating.id not in self._excluded)

    def _drop_thumbs(self, reason: Drop, *rating_ids: str) -> None:
        for kind in (RowKind.LABEL, RowKind.PAIR, RowKind.DEMONSTRATION):
            self._drop(kind, reason, *rating_ids)

    # -- rankings ----------------------------------------------------------------------------------

    def _counted(self, rankings: Iterable[Ranking]) -> list[Ranking]:
        """The rankings that count; those withdrawn, excluded or undecided are dropped."""
        counted = []
        for ranking in rankings:
            if ranking.withdrawn:
                self._drop_all(Drop.WITHDRAWN, ranking.id)
            elif ranking.id in self._excluded:
                self._drop_all(Drop.EXCLUDED, ranking.id)
            elif ranking.is_open:
                self._drop_all(Drop.UNDECIDED, ranking.id)
            else:
                counted.append(ranking)
        return counted

    def _rankings(self, rankings: Iterable[Ranking]) -> None:
        for ranking in rankings:
            replies = [self._reply(item.message_id) for item in ranking.items]
            found = [reply for reply in replies if isinstance(reply, Reply)]
            if len(found) < len(replies):
                reason = next(reply for reply in replies if isinstance(reply, Drop))
                self._drop(RowKind.RANKING, reason, ranking.id)
            elif any(reply.prompt != found[0].prompt for reply in found):
                self._drop(RowKind.RANKING, Drop.OTHER_PROMPT, ranking.id)
            else:
                self._rows.rankings.append(RankedReplies(tuple(found), ranking))

    # -- pairs -------------------------------------------------------------------------------------

    def _pairs(self, labels: Sequence[Label], rankings: Iterable[Ranking]) -> None:
        votes = _votes(rankings)
        found = [pair for key in votes if (pair := self._pair_by_votes(key, votes[key])) is not None]
        by_prompt: dict[object, list[Label]] = {}
        for label in labels:
            by_prompt.setdefault((label.reply.message.parent_id, label.reply.prompt), []).append(label)
        for group in by_prompt.values():
            liked, disliked = [x for x in group if x.liked], [x for x in group if not x.liked]
            if not liked or not disliked:
                self._without_rival(group, votes)
            for up, down in itertools.product(liked, disliked):
                if _key(up.reply.message.id, down.reply.message.id) not in votes:
                    found.append(_pair_by_thumbs(up, down))
        kept = [pair for pair in sorted(found, key=_age_of_pair) if self._is_new(pair)]
        sizes = Counter(map(_group, kept))
        self._rows.pairs = [replace(pair, weight=1 / sizes[_group(pair)]) for pair in kept]

    def _without_rival(self, group: Iterable[Label], votes: Iterable[tuple[str, str]]) -> None:
        compared = set(itertools.chain.from_iterable(votes))
        for label in group:
            if label.reply.message.id not in compared:
                self._drop(RowKind.PAIR, Drop.NO_RIVAL, *label.judgement_ids)

    def _pair_by_votes(self, key: tuple[str, str], votes: _Votes) -> Pair | None:
        first, second = (self._reply(message_id) for message_id in key)
        wins, losses = votes.count(1), votes.count(-1)
        ids = tuple(ranking.id for ranking in votes.rankings)
        if isinstance(first, Drop):
            reason = first
        elif isinstance(second, Drop):
            reason = second
        elif first.prompt != second.prompt:
            reason = Drop.OTHER_PROMPT
        elif wins == losses:
            reason = Drop.CONTRADICTED if wins else Drop.TIE if votes.count(0) else Drop.BOTH_BAD
        else:
            chosen, rejected = (first, second) if wins > losses else (second, first)
            latest = max(votes.rankings, key=lambda ranking: (ranking.created_at, ranking.id))
            most, least = max(wins, losses), min(wins, losses)
            at = latest.created_at
            return Pair(chosen, rejected, 1.0, latest.source.value, most, least, at, (), "", ids)
        self._drop(RowKind.PAIR, reason, *ids)
        return None

    def _is_new(self, pair: Pair) -> bool:
        texts = pair.chosen.message.content, pair.rejected.message.content
        if normal(texts[0]) == normal(texts[1]):
            self._drop(RowKind.PAIR, Drop.IDENTICAL, *pair.judgement_ids)
            return False
        if not self._seen.add(RowKind.PAIR, pair.chosen.prompt, *texts):
            self._drop(RowKind.PAIR, Drop.DUPLICATE, *pair.judgement_ids)
            return False
        return True

    # -- demonstrations ----------------------------------------------------------------------------

    def _demonstrations(self, labels: Iterable[Label], rankings: Iterable[Ranking]) -> None:
        corrections = [ranking for ranking in rankings if ranking.source is RankingSource.CORRECTION]
        corrected = {item.message_id for ranking in corrections for item in ranking.items[1:]}
        disliked = {label.reply.message.id for label in labels if not label.liked}
        found: dict[str, tuple[str, datetime, tuple[str, ...]]] = {}
        for label in labels:
            if label.liked:
                found[label.reply.message.id] = RATINGS, label.rating.created_at, label.judgement_ids
        for ranking in corrections:
            found[ranking.items[0].message_id] = ranking.source.value, ranking.created_at, (ranking.id,)
        for message_id in sorted(found, key=self._age_of):
            source, at, ids = found[message_id]
            reply = self._reply(message_id)
            if isinstance(reply, Drop):
                self._drop(RowKind.DEMONSTRATION, reply, *ids)
            elif message_id in corrected:
                self._drop(RowKind.DEMONSTRATION, Drop.CORRECTED, *ids)
            elif message_id in disliked:
                self._drop(RowKind.DEMONSTRATION, Drop.CONTRADICTED, *ids)
            elif not self._seen.add(RowKind.DEMONSTRATION, reply.prompt, reply.message.content):
                self._drop(RowKind.DEMONSTRATION, Drop.DUPLICATE, *ids)
            else:
                self._rows.demonstrations.append(Demonstration(reply, source, at, ids))

    def _age_of(self, message_id: str) -> tuple[datetime, str]:
        message = self._messages.get(message_id)
        return _age(message) if message else (_NEVER, message_id)

    # -- shared ------------------------------------------------------------------------------------

    def _reply(self, message_id: str) -> Reply | Drop:
        if message_id not in self._replies:
            self._replies[message_id] = self._read(message_id)
        return self._replies[message_id]

    def _read(self, message_id: str) -> Reply | Drop:
        message = self._messages.get(message_id)
        if message is None:
            return Drop.BROKEN
        if message.state is not MessageState.COMPLETE:
            return Drop.UNFINISHED
        try:
            prompt = prompt_of(self._messages, message, self._conversation)
        except MessageNotFound:
            return Drop.BROKEN
        if not message.content.strip() or not any(t.role is Role.USER for t in prompt):
            return Drop.EMPTY
        return Reply(message, prompt)

    def _drop(self, kind: RowKind, reason: Drop, *judgement_ids: str) -> None:
        self._rows.dropped.append(Dropped(kind, reason, judgement_ids))

    def _drop_all(self, reason: Drop, *judgement_ids: str) -> None:
        for kind in RowKind:
            self._drop(kind, reason, *judgement_ids)


def _votes(rankings: Iterable[Ranking]) -> dict[tuple[str, str], _Votes]:
    """Each rater's latest choice between any two replies, by their ids in order: 1 prefers the first."""
    votes: dict[tuple[str, str], _Votes] = {}
    for ranking in rankings:
        for one, other in itertools.combinations(ranking.items, 2):
            first, second = sorted((one, other), key=lambda item: item.message_id)
            choice = None
            if first.rank is not None and second.rank is not None and not ranking.both_bad:
                choice = (first.rank < second.rank) - (first.rank > second.rank)
            key = first.message_id, second.message_id
            votes.setdefault(key, _Votes()).choices[ranking.user_id] = choice, ranking
    return votes


def _key(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


def _pair_by_thumbs(up: Label, down: Label) -> Pair:
    at = max(up.rating.created_at, down.rating.created_at)
    ids = (*up.judgement_ids, *down.judgement_ids)
    votes_for, votes_against = up.votes_up + down.votes_down, up.votes_down + down.votes_up
    said = down.rating
    return Pair(up.reply, down.reply, 1.0, RATINGS, votes_for, votes_against, at, said.reasons, said.comment, ids)


def _group(pair: Pair) -> tuple[str | None, tuple[Turn, ...]]:
    """The prompt that the pair's replies share."""
    return pair.chosen.message.parent_id, pair.chosen.prompt


def _age(message: Message) -> tuple[datetime, str]:
    return message.created_at, message.id


def _age_of_pair(pair: Pair) -> tuple[tuple[datetime, str], tuple[datetime, str]]:
    return _age(pair.chosen.message), _age(pair.rejected.message)
