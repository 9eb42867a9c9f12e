"""Starts replies: everything between a request and the tasks that generate.

Errors are raised before anything is written. Once replies have started, they are committed and a background task
generates each of them.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from app.chat.event_hub import EventHub
from app.chat.events import ConversationUpdated, MessageAdded, RepliesRanked
from app.chat.generation_requests import request_for, sampling_for
from app.chat.reply_task import ReplyTask
from app.chat.reply_tasks import ReplyTasks
from app.chat.running_reply import RunningReply
from app.domain.context import FittedPrompt, fit
from app.domain.feedback import RankedReply, Ranking, RankingSource
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
    turns,
)
from app.domain.reasoning import beginning
from app.domain.sampling import SamplingParams
from app.domain.titles import title_from
from app.engine.admission import Ticket
from app.engine.loaded import LoadedModel
from app.engine.pool import ModelPool
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
class Plan:
    """A reply to be started: the path it answers, and the new question if there is one."""

    conversation: Conversation
    path: Sequence[Message]  # up to the message that the reply answers, without `question`
    question: str | None = None
    continues: Message | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Replies that are to be ranked: who answers, on which occasion, and whether the models are hidden until then."""

    contenders: Sequence[ReplyOptions]
    source: RankingSource
    blind: bool

    def shown(self, r: Repositories, user_id: str, replies: Sequence[Message]) -> Ranking:
        """Record an open ranking of `replies` in a random order, in which they are shown."""
        positions = list(range(len(replies)))
        secrets.SystemRandom().shuffle(positions)
        pairs = zip(replies, self.contenders, strict=True)
        told = [{} if self.blind else _told(reply, options) for reply, options in pairs]
        shown = zip(replies, positions, told, strict=True)
        items = [RankedReply(reply.id, None, at, settings) for reply, at, settings in shown]
        return r.rankings.add(user_id, self.source, items, blind=self.blind)


def _told(reply: Message, options: ReplyOptions) -> dict[str, object]:
    """What is shown of a reply's model and settings while it is compared."""
    made = reply.provenance
    model = {"model_id": with_adapter(made.model_id, made.adapter)} if made else {}
    return {**model, **(options.sampling or {})}


@dataclass(frozen=True, slots=True)
class _Leased:
    """A model that stays in memory while `resources` are held."""

    model_id: str
    model: LoadedModel
    sampling: SamplingParams
    resources: AsyncExitStack


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A reply that can be started at once; `resources` holds the lease of its model and its ticket."""

    model: LoadedModel
    request: GenerationRequest
    fitted: FittedPrompt
    ticket: Ticket
    resources: AsyncExitStack


@dataclass(frozen=True, slots=True)
class _Written:
    """What was committed before replies run."""

    conversation: Conversation
    question: Message | None
    replies: Sequence[Message]
    ranking: Ranking | None


@dataclass(frozen=True, slots=True)
class Started:
    """Running replies, with the question and the open ranking that were added with them."""

    running: tuple[RunningReply, ...]
    question: Message | None
    ranking: Ranking | None


class ReplyStarter:
    """Starts replies. One per application."""

    def __init__(
        self, store: Store, models: ModelService, pool: ModelPool, hub: EventHub, reply_tasks: ReplyTasks
    ) -> None:
        self._store, self._models, self._pool, self._hub = store, models, pool, hub
        self._tasks = reply_tasks

    async def start(
        self, plan: Plan, user_id: str, options: Sequence[ReplyOptions], comparison: Comparison | None = None
    ) -> Started:
        """Start a reply with each of `options`. Nothing is written unless all of them can be started."""
        prepared: list[_Prepared] = []
        async with AsyncExitStack() as stack:
            leased = []
            for wanted in options:  # all of them, before one takes a place in a queue: loading may take minutes
                leased.append(await self._lease(plan, wanted))
                stack.push_async_exit(leased[-1].resources)
            for each in leased:
                prepared.append(await self._prepare(plan, user_id, each))
            written = await self._write(plan, user_id, prepared, comparison)
            channel = self._hub.channel(written.conversation.id)
            if written.question is not None:
                channel.publish(MessageAdded(written.question))
            replies = zip(written.replies, prepared, strict=True)
            running = [RunningReply(reply, ready.fitted.dropped_turns) for reply, ready in replies]
            for reply in running:
                channel.start(reply)
            if written.ranking is not None:
                channel.publish(RepliesRanked(written.ranking))
            channel.publish(ConversationUpdated(written.conversation))
            stack.pop_all()
        # There is no await between the commit and here, so every committed reply is published and runs.
        for reply, ready in zip(running, prepared, strict=True):
            self._tasks.add(
                ReplyTask(self._store, channel, reply, ready.model, ready.request, ready.ticket, ready.resources)
            )
        return Started(tuple(running), written.question, written.ranking)

    async def _lease(self, plan: Plan, options: ReplyOptions) -> _Leased:
        """Get a model, loaded, or raise what is in its way. The caller releases the resources."""
        model_id = (
            options.model_id or plan.conversation.model_id or self._models.require_default_model(options.languages)
        )
        sampling = sampling_for(self._models.get(model_id), plan.conversation.sampling, options.sampling or {})
        async with AsyncExitStack() as stack:
            model = await stack.enter_async_context(self._pool.lease(model_id))
            return _Leased(model_id, model, sampling, stack.pop_all())

    async def _prepare(self, plan: Plan, user_id: str, leased: _Leased) -> _Prepared:
        """Get a place in the model's queue, and the prompt, or raise what is in the way."""
        model, sampling = leased.model, leased.sampling
        ticket = leased.resources.enter_context(model.admit(user_id))  # before the prompt: refusing must be cheap
        fitted = await self._fit(plan, model, sampling)
        begun = _beginning(plan.continues)
        request = request_for(fitted.prompt, sampling, fitted.max_new_tokens, leased.model_id, prefill=begun)
        return _Prepared(model, request, fitted, ticket, leased.resources)

    async def _fit(self, plan: Plan, model: LoadedModel, sampling: SamplingParams) -> FittedPrompt:
        prefill = _beginning(plan.continues)
        prompt_turns = turns(plan.path, plan.conversation.system_prompt)
        if plan.question is not None:
            prompt_turns.append(Turn(Role.USER, plan.question))

        async def render(some: Sequence[Turn]) -> Prompt:
            return await model.render(some, prefill, sampling.thinking)

        return await fit(prompt_turns, render, model.capabilities.context_tokens, sampling.max_new_tokens)

    async def _write(
        self, plan: Plan, user_id: str, prepared: Sequence[_Prepared], comparison: Comparison | None
    ) -> _Written:
        conversation, continued = plan.conversation, plan.continues

        def work(r: Repositories) -> _Written:
            question = None
            parent_id = plan.path[-1].id if plan.path else None
            if plan.question is not None:
                question = r.messages.add(
                    conversation.id, parent_id, Role.USER, plan.question, state=MessageState.COMPLETE
                )
                parent_id = question.id
            replies = [
                r.messages.add(
                    conversation.id,
                    parent_id,
                    Role.ASSISTANT,
                    continued.content if continued else "",
                    state=MessageState.PENDING,
                    provenance=_provenance(each.model, conversation, each.request, each.fitted),
                    continues_id=continued.id if continued else None,
                    timing=Timing(thinking_ms=continued.timing.thinking_ms) if continued else Timing(),
                    reasoning=continued.reasoning if continued else "",
                )
                for each in prepared
            ]
            ranking = comparison.shown(r, user_id, replies) if comparison else None
            changes: ConversationChanges = {"leaf_id": replies[0].id}
            # Read again: it may have been renamed while the model was loaded.
            if plan.question is not None and not r.conversations.get(user_id, conversation.id).title:
                changes["title"] = title_from(plan.question)
            return _Written(r.conversations.update(user_id, conversation.id, **changes), question, replies, ranking)

        return await self._store.write(work)


def _beginning(continued: Message | None) -> str:
    """How a reply that continues `continued` begins."""
    return beginning(continued.reasoning, continued.content) if continued else ""


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
