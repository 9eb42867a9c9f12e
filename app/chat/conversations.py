"""The conversation service: list, search, open, change, delete and subscribe to conversations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.chat.event_hub import EventHub
from app.chat.events import ConversationDeleted, ConversationUpdated
from app.chat.reply_tasks import ReplyTasks
from app.chat.resumable_events import Channel, EventStream
from app.domain.feedback import Ranking, Rating
from app.domain.messages import Conversation, ConversationChanges, Message, SearchHit
from app.domain.sampling import SamplingParams
from app.models.service import ModelService
from app.store.database import Store
from app.store.repositories import Repositories


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the list of conversations; `next_cursor` requests the next one."""

    items: Sequence[Conversation]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class OpenedConversation:
    """A conversation with its whole tree, and the id of the event after which its events continue."""

    conversation: Conversation
    messages: Sequence[Message]  # running replies with their text so far
    ratings: Mapping[str, Rating]  # the user's own, by message id
    rankings: Sequence[Ranking]  # the user's own, also open ones
    event_id: str


class ConversationService:
    """Everything about conversations except asking for replies. One per application."""

    def __init__(self, store: Store, models: ModelService, hub: EventHub, reply_tasks: ReplyTasks) -> None:
        self._store, self._models, self._hub, self._reply_tasks = store, models, hub, reply_tasks

    @property
    def subscribers(self) -> int:
        """Open event streams of all conversations."""
        return self._hub.subscribers

    @property
    def damaged_rows(self) -> int:
        """Rows of the database that were found damaged since the start."""
        return len(self._store.damage.rows)

    async def list(self, user_id: str, *, limit: int, cursor: str | None = None) -> Page:
        """A page of conversations: pinned ones first, then those with the newest messages."""
        found = await self._store.read(lambda r: r.conversations.list(user_id, limit=limit + 1, before=cursor))
        return Page(found[:limit], found[limit - 1].id if len(found) > limit else None)

    async def search(self, user_id: str, text: str, limit: int) -> Sequence[SearchHit]:
        """The conversations whose titles or messages with all words of `text` are newest.

        The one that was changed last comes first.
        """
        return await self._store.read(lambda r: r.conversations.search(user_id, text, limit))

    async def open(self, user_id: str, conversation_id: str) -> OpenedConversation:
        """The conversation and its whole tree. Raises :class:`~app.errors.ConversationNotFound`."""

        def work(r: Repositories) -> tuple[Conversation, list[Message], dict[str, Rating], list[Ranking]]:
            conversation = r.conversations.get(user_id, conversation_id)
            messages, ratings = r.messages.all(conversation.id), r.ratings.latest(conversation.id, user_id)
            return conversation, messages, ratings, r.rankings.current(conversation.id, user_id)

        channel = await self._channel(user_id, conversation_id)
        event_id = channel.event_id  # before the read: receiving an event twice does no harm, missing one would
        conversation, messages, ratings, rankings = await self._store.read(work)
        shown = [_up_to_date(message, channel) for message in messages]
        return OpenedConversation(conversation, shown, ratings, rankings, event_id)

    async def subscribe(self, user_id: str, conversation_id: str, last_event_id: str | None) -> EventStream:
        """The conversation's events after `last_event_id`. Raises :class:`~app.errors.ConversationNotFound`."""
        channel = await self._channel(user_id, conversation_id)
        return channel.subscribe(last_event_id, self._hub.heartbeat_s)

    async def create(
        self,
        user_id: str,
        *,
        title: str,
        model_id: str | None,
        system_prompt: str,
        sampling: Mapping[str, object],
        allow_training: bool | None = None,
    ) -> Conversation:
        """Create an empty conversation. `allow_training`: ``None``: as this person has said for all new ones."""
        self._must_be_usable(model_id, sampling)
        return await self._store.write(
            lambda r: r.conversations.create(
                user_id,
                title=title,
                model_id=model_id,
                system_prompt=system_prompt,
                sampling=sampling,
                allow_training=allow_training,
            )
        )

    async def update(self, user_id: str, conversation_id: str, changes: ConversationChanges) -> Conversation:
        """Change title, model, system prompt, sampling, pin, consent to training or shown leaf.

        A change of the leaf alone is not published: each reader chooses the version shown, and the choice is stored for
        the next time the conversation is opened.
        """
        sampling = {**changes.get("sampling", {}), **changes.get("sampling_changes", {})}
        self._must_be_usable(changes.get("model_id"), sampling)
        updated = await self._store.write(lambda r: r.conversations.update(user_id, conversation_id, **changes))
        if changes.keys() - {"leaf_id"}:
            self._hub.channel(conversation_id).publish(ConversationUpdated(updated))
        return updated

    async def delete(self, user_id: str, conversation_id: str) -> None:
        """Move a conversation to the trash and stop its running replies."""
        await self._store.write(lambda r: r.conversations.delete(user_id, conversation_id))
        for task in self._reply_tasks.of(conversation_id):
            task.stop()
        self._hub.channel(conversation_id).publish(ConversationDeleted())

    async def restore(self, user_id: str, conversation_id: str) -> Conversation:
        """Restore a conversation from the trash."""
        restored = await self._store.write(lambda r: r.conversations.restore(user_id, conversation_id))
        self._hub.channel(conversation_id).publish(ConversationUpdated(restored))
        return restored

    def close(self) -> None:
        """Close all event streams. To be called once running replies have ended."""
        self._hub.close()

    async def _channel(self, user_id: str, conversation_id: str) -> Channel:
        """The channel of a conversation of theirs. An unknown id makes none: anybody can think of any number of ids."""
        await self._store.read(lambda r: r.conversations.get(user_id, conversation_id))
        return self._hub.channel(conversation_id)

    def _must_be_usable(self, model_id: str | None, sampling: Mapping[str, object] | None) -> None:
        """Raises :class:`~app.errors.ModelNotFound` and :class:`~app.errors.InvalidSampling`."""
        default = self._models.get(model_id).default_sampling if model_id else SamplingParams()
        default.merged(sampling or {})


def _up_to_date(message: Message, channel: Channel) -> Message:
    running = channel.running(message.id)
    if running is None:
        return message
    timing = replace(message.timing, thinking_ms=running.thinking_ms)
    return replace(message, content=running.text, reasoning=str(running.reasoning), timing=timing)
