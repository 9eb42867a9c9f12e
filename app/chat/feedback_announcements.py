"""Publishes feedback as events of its conversation; see :class:`app.feedback.announcements.Announcements`."""

from __future__ import annotations

from app.chat.event_hub import EventHub
from app.chat.events import ConversationUpdated, MessageAdded, MessageRated, RepliesRanked
from app.domain.feedback import Ranking, Rating
from app.domain.messages import Conversation, Message


class FeedbackAnnouncements:
    """Passes on what the feedback service committed."""

    def __init__(self, hub: EventHub) -> None:
        self._hub = hub

    def rated(self, conversation_id: str, rating: Rating) -> None:
        """A reply was rated, or its rating was retracted."""
        self._hub.channel(conversation_id).publish(MessageRated(rating))

    def ranked(self, ranking: Ranking) -> None:
        """Replies were ranked, or a ranking was withdrawn."""
        self._hub.channel(ranking.conversation_id).publish(RepliesRanked(ranking))

    def corrected(self, conversation: Conversation, message: Message) -> None:
        """A corrected reply was added, which the conversation shows now."""
        channel = self._hub.channel(conversation.id)
        channel.publish(MessageAdded(message))
        channel.publish(ConversationUpdated(conversation))
