"""What feedback tells the subscribers of a conversation. The application connects it to their events."""

from __future__ import annotations

from typing import Protocol

from app.domain.feedback import Ranking, Rating
from app.domain.messages import Conversation, Message


class Announcements(Protocol):
    """Receives every change after it was committed."""

    def rated(self, conversation_id: str, rating: Rating) -> None:
        """A reply was rated, or its rating was retracted."""

    def ranked(self, ranking: Ranking) -> None:
        """Replies were ranked, or a ranking was withdrawn."""

    def corrected(self, conversation: Conversation, message: Message) -> None:
        """A corrected reply was added, which the conversation shows now."""
