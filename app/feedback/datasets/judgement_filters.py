"""Filters before rows are derived: which judgements count.

Only the current ones are looked at: a filter never brings back what was changed or withdrawn.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from app.domain.feedback import (
    ConversationFeedback,
    Decision,
    Judgement,
    current_rankings,
    current_ratings,
    current_reviews,
)
from app.feedback.datasets.spec import Filters


def select(feedback: ConversationFeedback, filters: Filters, filtered: Counter[str]) -> ConversationFeedback:
    """`feedback` with the current judgements that match; the others are counted in `filtered` by filter."""
    reviews = current_reviews(feedback.reviews)
    accepted = {key for key, review in reviews.items() if review.decision is Decision.ACCEPTED}

    def keep(judgement: Judgement) -> bool:
        reason = _reason(judgement, filters, accepted)
        if reason:
            filtered[reason] += 1
        return not reason

    ratings = tuple(filter(keep, current_ratings(feedback.ratings)))
    rankings = tuple(filter(keep, current_rankings(feedback.rankings)))
    return replace(feedback, ratings=ratings, rankings=rankings)


def _reason(judgement: Judgement, filters: Filters, accepted: set[str]) -> str:
    """The filter that leaves it out; "" for none."""
    if filters.raters and judgement.user_id not in filters.raters:
        return "rater"
    if filters.since and judgement.created_at < filters.since:
        return "since"
    if filters.until and judgement.created_at >= filters.until:
        return "until"
    if filters.accepted_only and judgement.id not in accepted:
        return "accepted_only"
    return ""
