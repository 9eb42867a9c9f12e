"""Statistics of feedback: counts of the store, with intervals and agreement."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.feedback import REASONS_DOWN, REASONS_UP
from app.domain.feedback_counts import FeedbackCounts
from app.feedback.agreement import Agreement, agreement
from app.feedback.intervals import Share


@dataclass(frozen=True, slots=True)
class PlayerStatistics:
    """One player: a model with its variant and adapter."""

    player: str
    up: Share  # of its thumbs
    judged: Share  # of its replies; of 0 for imported models


@dataclass(frozen=True, slots=True)
class LengthStatistics:
    """Thumbs for replies of one length."""

    from_characters: int
    up: Share


@dataclass(frozen=True, slots=True)
class Statistics:
    """Everything that the page shows."""

    counts: FeedbackCounts
    players: tuple[PlayerStatistics, ...]  # most thumbs first
    reasons_up: tuple[tuple[str, int], ...]  # most frequent first
    reasons_down: tuple[tuple[str, int], ...]
    lengths: tuple[LengthStatistics, ...]  # shortest first
    longer_won: Share  # of decided pairs of unequal length
    first_won: Share  # of decided pairs that were shown side by side
    thumbs_agreement: Agreement
    order_agreement: Agreement
    judged: Share  # of all replies of models


def statistics(counts: FeedbackCounts) -> Statistics:
    """The statistics of what was counted."""
    players = (
        PlayerStatistics(each.player, Share(each.up, each.up + each.down), Share(each.judged, each.replies))
        for each in counts.players
    )
    return Statistics(
        counts=counts,
        players=tuple(sorted(players, key=lambda each: (-each.up.of, -each.judged.count, each.player))),
        reasons_up=_of(REASONS_UP, counts),
        reasons_down=_of(REASONS_DOWN, counts),
        lengths=tuple(
            LengthStatistics(each.characters, Share(each.up, each.up + each.down)) for each in counts.lengths
        ),
        longer_won=Share(counts.pairs.longer_won, counts.pairs.of_different_length),
        first_won=Share(counts.pairs.first_won, counts.pairs.side_by_side),
        thumbs_agreement=agreement(counts.thumbs_by_reply),
        order_agreement=agreement(counts.orders_by_pair),
        judged=Share(counts.judged, counts.replies),
    )


def _of(names: tuple[str, ...], counts: FeedbackCounts) -> tuple[tuple[str, int], ...]:
    return tuple((name, count) for name, count in counts.reasons.items() if name in names)
