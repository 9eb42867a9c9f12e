"""The chat service: ask, edit, regenerate, continue, compare, follow and stop replies.

Errors are raised before anything is written. Once a method that starts a reply returns, question and reply are
committed, and a background task generates the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.chat.event_hub import EventHub
from app.chat.reply_tasks import ReplyTasks
from app.chat.resumable_events import EventStream
from app.chat.running_reply import RunningReply
from app.chat.starting import Comparison, Plan, ReplyOptions, ReplyStarter
from app.domain.feedback import Ranking
from app.domain.messages import Conversation, Message, MessageState, Role, by_id, path_to
from app.engine.pool import ModelPool
from app.errors import InvalidRequest, MessageNotFound, ReplyNotRunning, ReplyRunning
from app.models.references import with_adapter
from app.models.service import ModelService
from app.store.database import Store
from app.store.repositories import Repositories


@dataclass(frozen=True, slots=True)
class StartedReply:
    """A running reply, and the question that was added with it."""

    running: RunningReply
    question: Message | None

    @property
    def reply(self) -> Message:
        """The reply's row as first written."""
        return self.running.message


@dataclass(frozen=True, slots=True)
class StartedComparison:
    """Running replies in the order in which they are shown, the new question if there is one, and the open ranking."""

    running: Sequence[RunningReply]
    question: Message | None
    ranking: Ranking


class ChatService:
    """Everything about replies. One per application."""

    def __init__(
        self, store: Store, models: ModelService, pool: ModelPool, hub: EventHub, reply_tasks: ReplyTasks
    ) -> None:
        self._store, self._hub, self._tasks = store, hub, reply_tasks
        self._starter = ReplyStarter(store, models, pool, hub, reply_tasks)

    async def ask(
        self, user_id: str, conversation_id: str, parent_id: str | None, content: str, options: ReplyOptions
    ) -> StartedReply:
        """Add a question below `parent_id` and start the reply to it."""
        return await self._start(await self._asked(user_id, conversation_id, parent_id, content), user_id, options)

    async def edit(self, user_id: str, message_id: str, content: str, options: ReplyOptions) -> StartedReply:
        """Add another version of a question as its sibling, and start the reply to it."""
        message = await self._store.read(lambda r: r.messages.get(user_id, message_id))
        if message.role is not Role.USER:
            raise InvalidRequest("Only your own messages can be edited this way.")
        return await self.ask(user_id, message.conversation_id, message.parent_id, content, options)

    async def regenerate(self, user_id: str, message_id: str, options: ReplyOptions) -> StartedReply:
        """Start another version of a reply as its sibling, or the first reply to a question that has none."""
        message = await self._store.read(lambda r: r.messages.get(user_id, message_id))
        return await self._start(await self._question_of(user_id, message), user_id, options)

    async def continue_reply(self, user_id: str, message_id: str, options: ReplyOptions) -> StartedReply:
        """Continue a reply that was cut off: start a new version that begins with its text."""
        message = await self._store.read(lambda r: r.messages.get(user_id, message_id))
        if message.role is not Role.ASSISTANT:
            raise InvalidRequest("Only a reply can be continued.")
        conversation, messages = await self._tree(user_id, message.conversation_id)
        path, message = path_to(messages, message.parent_id), messages[message_id]
        _must_be_final([*path, message])
        _must_ask_something(path)
        if options.model_id is None and message.provenance is not None:
            made = message.provenance
            options = replace(options, model_id=with_adapter(made.model_id, made.adapter))
        return await self._start(Plan(conversation, path, continues=message), user_id, options)

    async def compare(
        self, user_id: str, conversation_id: str, parent_id: str | None, content: str, comparison: Comparison
    ) -> StartedComparison:
        """Add a question below `parent_id` and start a reply by each contender, to be ranked when they have ended."""
        plan = await self._asked(user_id, conversation_id, parent_id, content)
        return await self._compare(plan, user_id, comparison)

    async def compare_again(
        self, user_id: str, conversation_id: str, message_id: str, comparison: Comparison
    ) -> StartedComparison:
        """Start a reply by each contender to a question that was asked already, or to the question of a reply."""
        message = await self._store.read(lambda r: r.messages.get(user_id, message_id))
        if message.conversation_id != conversation_id:
            text = "This message isn't part of the conversation. Reload the page."
            raise MessageNotFound(text, message_id=message_id)
        return await self._compare(await self._question_of(user_id, message), user_id, comparison)

    def follow(self, started: StartedReply) -> EventStream:
        """The events of a reply that was just started, up to its end."""
        channel = self._hub.channel(started.reply.conversation_id)
        return channel.follow(started.running, self._hub.heartbeat_s)

    async def stop(self, user_id: str, message_id: str) -> Message:
        """Stop a running reply, and return it once its end is committed.

        Raises :class:`ReplyNotRunning`, and :class:`~app.errors.StoreError` when its end cannot be stored.
        """
        await self._store.read(lambda r: r.messages.get(user_id, message_id))
        task = self._tasks.find(message_id)
        if task is None:
            raise ReplyNotRunning("This reply has already ended.", message_id=message_id)
        task.stop()
        return await self._tasks.end_of(task)

    async def close(self) -> None:
        """Shut down: stop running replies, keep their text and mark them interrupted."""
        await self._tasks.close()

    async def _asked(self, user_id: str, conversation_id: str, parent_id: str | None, content: str) -> Plan:
        """The plan for replies to a new question."""
        if not content.strip():
            raise InvalidRequest("The message is empty. Write something first.", field="content")
        conversation, messages = await self._tree(user_id, conversation_id)
        path = path_to(messages, parent_id)
        _must_be_final(path)
        if path and path[-1].role is Role.USER:
            raise InvalidRequest(
                "A message must follow a reply. Regenerate the reply or edit your last message instead."
            )
        return Plan(conversation, path, question=content)

    async def _question_of(self, user_id: str, message: Message) -> Plan:
        """The plan for further replies to a question, or to the question of a reply."""
        question_id = message.id if message.role is Role.USER else message.parent_id
        conversation, messages = await self._tree(user_id, message.conversation_id)
        path = path_to(messages, question_id)
        _must_be_final(path)
        _must_ask_something(path)
        return Plan(conversation, path)

    async def _compare(self, plan: Plan, user_id: str, comparison: Comparison) -> StartedComparison:
        started = await self._starter.start(plan, user_id, comparison.contenders, comparison)
        assert started.ranking is not None, "a comparison has a ranking"
        position = {item.message_id: item.position or 0 for item in started.ranking.items}
        running = sorted(started.running, key=lambda reply: position[reply.message.id])
        return StartedComparison(running, started.question, started.ranking)

    async def _tree(self, user_id: str, conversation_id: str) -> tuple[Conversation, dict[str, Message]]:
        def work(r: Repositories) -> tuple[Conversation, dict[str, Message]]:
            conversation = r.conversations.get(user_id, conversation_id)
            return conversation, by_id(r.messages.all(conversation.id))

        await self._tasks.settle(conversation_id)  # otherwise nobody could ask below them
        return await self._store.read(work)

    async def _start(self, plan: Plan, user_id: str, options: ReplyOptions) -> StartedReply:
        started = await self._starter.start(plan, user_id, [options])
        return StartedReply(started.running[0], started.question)


def _must_be_final(path: Sequence[Message]) -> None:
    for message in path:
        if message.state is MessageState.PENDING:
            raise ReplyRunning("A reply is still being written. Wait for it, or stop it first.", message_id=message.id)


def _must_ask_something(path: Sequence[Message]) -> None:
    if not any(message.content for message in path):
        raise InvalidRequest("There is no message above this reply that a model could answer.")
