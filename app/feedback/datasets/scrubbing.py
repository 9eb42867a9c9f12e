"""Replaces personal data in all texts of a conversation, before rows are derived from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.domain.feedback import ConversationFeedback
from app.domain.messages import Message
from app.domain.personal_data import Personal, scrub


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A conversation without personal data."""

    feedback: ConversationFeedback
    found: Mapping[str, Counter[Personal]]  # by the id of the message or rating; "": in the system prompt


def scrubbed(feedback: ConversationFeedback) -> Scrubbed:
    """`feedback` with ``[EMAIL]`` in place of every address, and so on, also in reasoning and comments."""
    found: dict[str, Counter[Personal]] = {}

    def clean(key: str, text: str) -> str:
        without, counts = scrub(text)
        if counts:
            found.setdefault(key, Counter()).update(counts)
        return without

    def cleaned(message: Message) -> Message:
        made = message.provenance
        if made is not None and made.system_prompt:
            made = replace(made, system_prompt=scrub(made.system_prompt)[0])
        return replace(
            message,
            content=clean(message.id, message.content),
            reasoning=clean(message.id, message.reasoning),
            provenance=made,
        )

    conversation = replace(feedback.conversation, system_prompt=clean("", feedback.conversation.system_prompt))
    ratings = tuple(replace(rating, comment=clean(rating.id, rating.comment)) for rating in feedback.ratings)
    messages = tuple(map(cleaned, feedback.messages))
    return Scrubbed(replace(feedback, conversation=conversation, messages=messages, ratings=ratings), found)
