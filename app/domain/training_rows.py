"""What feedback becomes: labels, pairs, rankings, demonstrations. :mod:`app.domain.derivation` makes them."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.domain.feedback import Ranking, Rating
from app.domain.messages import Message, Turn

RATINGS = "ratings"  # the source of rows that come from thumbs; others name the source of a ranking


class RowKind(StrEnum):
    """What a row says."""

    LABEL = "label"  # one reply: good or bad
    PAIR = "pair"  # two replies: which is better
    RANKING = "ranking"  # two or more replies in order
    DEMONSTRATION = "demonstration"  # a reply to imitate


class Drop(StrEnum):
    """Why judgements do not become a row. Exports count them by reason."""

    NO_CONSENT = "no_consent"  # the conversation's owner does not allow training
    WITHDRAWN = "withdrawn"  # by all raters
    EXCLUDED = "excluded"  # by an administrator
    UNDECIDED = "undecided"  # replies shown side by side, without a choice
    CONTRADICTED = "contradicted"  # as many raters say the opposite
    TIE = "tie"  # no reply is better
    BOTH_BAD = "both_bad"
    UNFINISHED = "unfinished"  # cancelled, failed, interrupted or still running: the model did not end it
    EMPTY = "empty"  # no text, or no question before it
    BROKEN = "broken"  # messages are missing, so the prompt cannot be rebuilt
    OTHER_PROMPT = "other_prompt"  # the replies were written for different prompts
    NO_RIVAL = "no_rival"  # no other reply to the same prompt was judged differently
    IDENTICAL = "identical"  # chosen and rejected have the same text
    CORRECTED = "corrected"  # a correction replaces it
    DUPLICATE = "duplicate"  # the same row already exists


Drops = Counter[Drop]


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply with its prompt as the model read it, system prompt included."""

    message: Message
    prompt: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Label:
    """A finished reply with a majority of thumbs up or down."""

    reply: Reply
    liked: bool
    rating: Rating  # the latest one of the majority
    votes_up: int
    votes_down: int
    judgement_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two replies to the same prompt, one preferred. The weights of a prompt's pairs add up to 1."""

    chosen: Reply
    rejected: Reply
    weight: float
    source: str  # RATINGS, or a RankingSource
    votes_for: int  # raters who prefer `chosen`
    votes_against: int
    judged_at: datetime
    reasons: tuple[str, ...]  # why `rejected` was rated down
    comment: str
    judgement_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RankedReplies:
    """One rater's order of replies to the same prompt, best first; equal ranks are ties."""

    replies: tuple[Reply, ...]
    ranking: Ranking  # with ranks and positions in the same order


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A reply to imitate: a correction, or a reply that was rated up."""

    reply: Reply
    source: str  # RankingSource.CORRECTION or RATINGS
    judged_at: datetime
    judgement_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt of replies that were judged."""

    reply: Reply  # the oldest one to it
    judgement_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dropped:
    """Judgements that did not become a row of this kind."""

    kind: RowKind
    reason: Drop
    judgement_ids: tuple[str, ...]


@dataclass(slots=True)
class TrainingRows:
    """The rows of one conversation, by kind; each list in the order of the replies' times."""

    labels: list[Label] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    rankings: list[RankedReplies] = field(default_factory=list)
    demonstrations: list[Demonstration] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)

    def judged(self) -> Iterator[tuple[Reply, tuple[str, ...]]]:
        """Every reply in a row with the judgements behind it; a reply in several rows comes several times."""
        yield from ((label.reply, label.judgement_ids) for label in self.labels)
        yield from ((reply, pair.judgement_ids) for pair in self.pairs for reply in (pair.chosen, pair.rejected))
        yield from ((reply, (row.ranking.id,)) for row in self.rankings for reply in row.replies)
        yield from ((row.reply, row.judgement_ids) for row in self.demonstrations)

    def drops(self, kind: RowKind) -> Drops:
        """How much did not become a row of this kind, by reason."""
        return Counter(dropped.reason for dropped in self.dropped if dropped.kind is kind)


class Seen:
    """The rows derived so far, as digests, so that the same row appears once."""

    def __init__(self) -> None:
        self._digests: set[bytes] = set()

    def add(self, kind: RowKind | None, prompt: Iterable[Turn], *texts: str) -> bool:
        """Whether this row is new; a prompt alone has no kind. Spaces, case and the width of letters don't matter."""
        parts = [kind.value if kind else "", *(f"{t.role}\0{normal(t.content)}" for t in prompt), *map(normal, texts)]
        digest = hashlib.blake2b("\0\0".join(parts).encode(), digest_size=16).digest()
        if digest in self._digests:
            return False
        self._digests.add(digest)
        return True


def normal(text: str) -> str:
    """`text` without differences that make no other row: spaces, case, the width of letters."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
