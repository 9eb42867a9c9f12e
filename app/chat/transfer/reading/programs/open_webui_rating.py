"""A rating as Open WebUI stores it: beside a reply as ``annotation``, in its export of feedback as ``data``.

    {"rating": 1 | -1, "reason": "too_verbose", "comment": "…", "tags": ["physics"], "details": {"rating": 1 … 10}}

https://docs.openwebui.com/features/administration/evaluation/
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from app.chat.transfer.reading.judgements import Rating, rating, scored, verdict_of
from app.domain.feedback import MAX_SCORE, Verdict

_REASONS = {  # in our words, where there is one
    "accurate_information": "correct",
    "followed_instructions_perfectly": "helpful",
    "showcased_creativity": "creative",
    "attention_to_detail": "thorough",
    "thorough_explanation": "thorough",
    "dont_like_the_style": "format",
    "too_verbose": "too_long",
    "not_factually_correct": "wrong",
    "didnt_fully_follow_instructions": "off_topic",
    "being_lazy": "too_short",
    "not_helpful": "other",
    "refused_when_it_shouldnt_have": "other",
}
_MAX_TAGS = 50


def annotation(given: object, created_at: datetime | None = None, rater: str = "") -> Rating | None:
    """The rating; ``None`` if it says neither good nor bad. Tags are kept at the end of the comment, as #tag."""
    if not isinstance(given, Mapping):
        return None
    details = given.get("details")
    score = details.get("rating") if isinstance(details, Mapping) else None
    verdict = thumb_of(given) or scored(score, 1, MAX_SCORE)[0]
    if verdict is None:
        return None
    reason = given.get("reason")
    named = _REASONS.get(reason, reason) if isinstance(reason, str) else ""
    comment = _with_tags(given.get("comment"), given.get("tags"))
    whole = int(score) if isinstance(score, float) and score.is_integer() else score
    return rating(verdict, reasons=[named], comment=comment, score=whole, created_at=created_at, rater=rater)


def thumb_of(given: Mapping[str, object]) -> Verdict | None:
    """The thumb that it names, as a number or a text."""
    value = given.get("rating")
    if isinstance(value, str) and value.strip() in ("1", "-1"):
        value = int(value)
    return verdict_of(value) if value in (1, -1) else None


def _with_tags(comment: object, tags: object) -> str:
    said = comment.strip() if isinstance(comment, str) else ""
    named = [tag.strip() for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    return " ".join([said, *(f"#{'_'.join(tag.split())}" for tag in named[:_MAX_TAGS] if tag)]).strip()
