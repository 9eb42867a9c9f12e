"""The chat service: ask, edit, regenerate, continue, follow, stop and rate replies.

Errors are raised before anything is written. Once a method that starts a reply returns, question and reply are
committed, and a background task generates the text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from app.chat.event_hub import EventHub
from app.chat.events import ConversationUpdated, MessageAdded, MessageRated
from app.chat.generation_requests import request_for, sampling_for
from app.chat.reply_task import ReplyTask
from app.chat.reply_tasks import ReplyTasks
from app.chat.resumable_events import EventStream
from app.chat.running_reply import RunningReply
from app.domain.context import FittedPrompt, fit
from app.domain.feedback import Rating, Verdict
from app.domain.generation import GenerationRequest, Prompt
from app.domain.messages import (
    Conversation,
    ConversationChanges,
    Message,
    MessageState,
    Provenance,
    Role,
    Timing,
    Turn,
    by_id,
    path_to,
    turns,
)
from app.domain.reasoning import beginning
from app.domain.sampling import SamplingParams
from app.domain.titles import title_from
from app.engine.loaded import LoadedModel
from app.engine.pool import ModelPool
from app.errors import InvalidRequest, ReplyNotRunning, ReplyRunning
from app.models.references import with_adapter
from app.models.service import ModelService
from app.store.database import Store
from app.store.repositories import Repositories


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """The caller's choices for a reply; defaults are the conversation's, then the model's."""

    model_id: str | None = None  # a reference: base@quantization+adapter
    sampling: Mapping[str, object] | None = None
    languages: tuple[str, ...] = ()


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
class _Plan:
    """A reply to be started: the path it answers, and the new question if there is one."""

    conversation: Conversation
    path: Sequence[Message]  # up to the message that the reply answers, without `question`
    question: str | None = None
    continues: Message | None = None


class ChatService:
    """Everything about replies. One per application."""

    def __init__(
        self, store: Store, models: ModelService, pool: ModelPool, hub: EventHub, reply_tasks: ReplyTasks
    ) -> None:
        self._store, self._models, self._pool, self._hub = store, models, pool, hub
        self._tasks = reply_tasks

    async def ask(
        self, user_id: str, conversation_id: str, parent_id: str | None, content: str, options: ReplyOptions
    ) -> StartedReply:
        """Add a question below `parent_id` and start the reply to it."""
        if not content.strip():
            raise InvalidRequest("The message is empty. Write something first.", field="content")
        conversation, messages = await self._tree(user_id, conversation_id)
        path = path_to(messages, parent_id)
        _must_be_final(path)
        if path and path[-1].role is Role.USER:
            raise InvalidRequest(
                "A message must follow a reply. Regenerate the reply or edit your last message instead."
            )
        return await self._start(_Plan(conversation, path, question=content), user_id, options)

    async def edit(self, user_id: str, message_id: str, content: str, options: ReplyOptions) -> StartedReply:
        """Add another version of a question as its sibling, and start the reply to it."""
        message = await self._store.read(lambda r: r.messages.get(user_id, message_id))
        if message.role is not Role.USER:
            raise InvalidRequest("Only your own messages can be edited this way.")
        return await self.ask(user_id, message.conversation_id, message.parent_id, content, options)

    async def regenerate(self, user_id: str, message_id: str, options: ReplyOptions) -> StartedReply:
        """Start another version of a reply as its sibling, or the first reply to a question that has none."""
        message = await self._store.read(lambda r: r.messages.get(user_id, message_id))
        question_id = message.id if message.role is Role.USER else message.parent_id
        conversation, messages = await self._tree(user_id, message.conversation_id)
        path = path_to(messages, question_id)
        _must_be_final(path)
        _must_ask_something(path)
        return await self._start(_Plan(conversation, path), user_id, options)

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
        return await self._start(_Plan(conversation, path, continues=message), user_id, options)

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

    async def rate(
        self, user_id: str, message_id: str, verdict: Verdict, reasons: Sequence[str], comment: str, score: int | None
    ) -> Rating:
        """Rate a finished reply. The latest rating counts; earlier ones are kept."""
        message = await self._store.read(lambda r: r.messages.get(user_id, message_id))
        if message.role is not Role.ASSISTANT:
            raise InvalidRequest("Only replies can be rated.")
        _must_be_final([message])
        rating = await self._store.write(
            lambda r: r.ratings.add(user_id, message_id, verdict, tuple(reasons), comment, score)
        )
        self._hub.channel(message.conversation_id).publish(MessageRated(rating))
        return rating

    async def _tree(self, user_id: str, conversation_id: str) -> tuple[Conversation, dict[str, Message]]:
        def work(r: Repositories) -> tuple[Conversation, dict[str, Message]]:
            conversation = r.conversations.get(user_id, conversation_id)
            return conversation, by_id(r.messages.all(conversation.id))

        await self._tasks.settle(conversation_id)  # otherwise nobody could ask below them
        return await self._store.read(work)

    async def _start(self, plan: _Plan, user_id: str, options: ReplyOptions) -> StartedReply:
        model_id = (
            options.model_id or plan.conversation.model_id or self._models.require_default_model(options.languages)
        )
        sampling = sampling_for(self._models.get(model_id), plan.conversation.sampling, options.sampling or {})
        async with AsyncExitStack() as stack:
            model = await stack.enter_async_context(self._pool.lease(model_id))
            ticket = stack.enter_context(model.admit(user_id))  # before the work on the prompt: refusing must be cheap
            fitted = await self._fit(plan, model, sampling)
            begun = _beginning(plan.continues)
            request = request_for(fitted.prompt, sampling, fitted.max_new_tokens, model_id, prefill=begun)
            conversation, question, reply = await self._write(plan, user_id, model, request, fitted)
            channel = self._hub.channel(conversation.id)
            running = RunningReply(reply, fitted.dropped_turns)
            if question is not None:
                channel.publish(MessageAdded(question))
            channel.start(running)
            channel.publish(ConversationUpdated(conversation))
            task = ReplyTask(self._store, channel, running, model, request, ticket, stack.pop_all())
        # There is no await between the commit and here, so every committed reply is published and runs.
        self._tasks.add(task)
        return StartedReply(running, question)

    async def _fit(self, plan: _Plan, model: LoadedModel, sampling: SamplingParams) -> FittedPrompt:
        prefill = _beginning(plan.continues)
        prompt_turns = turns(plan.path, plan.conversation.system_prompt)
        if plan.question is not None:
            prompt_turns.append(Turn(Role.USER, plan.question))

        async def render(some: Sequence[Turn]) -> Prompt:
            return await model.render(some, prefill, sampling.thinking)

        return await fit(prompt_turns, render, model.capabilities.context_tokens, sampling.max_new_tokens)

    async def _write(
        self, plan: _Plan, user_id: str, model: LoadedModel, request: GenerationRequest, fitted: FittedPrompt
    ) -> tuple[Conversation, Message | None, Message]:
        conversation = plan.conversation
        provenance = _provenance(model, conversation, request, fitted)

        def work(r: Repositories) -> tuple[Conversation, Message | None, Message]:
            question = None
            parent_id = plan.path[-1].id if plan.path else None
            if plan.question is not None:
                question = r.messages.add(
                    conversation.id, parent_id, Role.USER, plan.question, state=MessageState.COMPLETE
                )
                parent_id = question.id
            reply = r.messages.add(
                conversation.id,
                parent_id,
                Role.ASSISTANT,
                plan.continues.content if plan.continues else "",
                state=MessageState.PENDING,
                provenance=provenance,
                continues_id=plan.continues.id if plan.continues else None,
                timing=Timing(thinking_ms=plan.continues.timing.thinking_ms) if plan.continues else Timing(),
                reasoning=plan.continues.reasoning if plan.continues else "",
            )
            changes: ConversationChanges = {"leaf_id": reply.id}
            # Read again: it may have been renamed while the model was loaded.
            if plan.question is not None and not r.conversations.get(user_id, conversation.id).title:
                changes["title"] = title_from(plan.question)
            return r.conversations.update(user_id, conversation.id, **changes), question, reply

        return await self._store.write(work)


def _beginning(continued: Message | None) -> str:
    """How a reply that continues `continued` begins."""
    return beginning(continued.reasoning, continued.content) if continued else ""


def _must_be_final(path: Sequence[Message]) -> None:
    for message in path:
        if message.state is MessageState.PENDING:
            raise ReplyRunning("A reply is still being written. Wait for it, or stop it first.", message_id=message.id)


def _must_ask_something(path: Sequence[Message]) -> None:
    if not any(message.content for message in path):
        raise InvalidRequest("There is no message above this reply that a model could answer.")


def _provenance(
    model: LoadedModel, conversation: Conversation, request: GenerationRequest, fitted: FittedPrompt
) -> Provenance:
    return Provenance(
        model_id=model.manifest.id,
        model_digest=model.digest,
        family=model.manifest.family,
        engine=model.manifest.engine,
        quantization=model.quantization,
        sampling=request.sampling.as_dict(),
        prompt_digest=hashlib.sha256(request.prompt.text.encode()).hexdigest(),
        adapter=request.adapter,
        dropped_turns=fitted.dropped_turns,
        system_prompt=conversation.system_prompt,
    )
