"""Replies that are not stored, for the OpenAI-compatible and the ChatGLM routes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass

from app.chat.generation_requests import request_for, sampling_for
from app.domain.context import fit, remaining_tokens
from app.domain.generation import (
    DecodingOptions,
    Delta,
    Finished,
    FinishReason,
    GenerationEvent,
    GenerationRequest,
    Prompt,
    TokenChance,
    Usage,
)
from app.domain.messages import Role, Turn
from app.domain.token_chances import last_of
from app.engine.loaded import LoadedModel
from app.engine.pool import ModelPool
from app.engine.reasoning import split_at_end
from app.errors import UnsupportedRequest
from app.models.service import ModelService

_NO_OPTIONS = DecodingOptions()


@dataclass(frozen=True, slots=True)
class Completion:
    """An admitted request; ``events`` may be read once."""

    request: GenerationRequest
    model: LoadedModel
    events: AsyncGenerator[GenerationEvent, None]


@dataclass(frozen=True, slots=True)
class WholeReply:
    """A completion that was read to its end."""

    completion: Completion
    text: str
    reasoning: str
    finished: Finished
    chances: tuple[TokenChance, ...]  # of the tokens of `text`, where they were asked for


async def read_whole(opened: AbstractAsyncContextManager[Completion]) -> WholeReply:
    """Open a completion and read it to its end."""
    pieces: list[Delta] = []
    async with opened as completion:
        finished = Finished(FinishReason.STOP, Usage(completion.request.prompt.n_tokens))
        async for event in completion.events:
            if isinstance(event, Delta):
                pieces.append(event)
            elif isinstance(event, Finished):
                finished = event
    text, reasoning = "".join(delta.text for delta in pieces), "".join(delta.reasoning for delta in pieces)
    if not reasoning:
        text, reasoning = split_at_end(text, completion.request, completion.model.capabilities)
    chances = last_of([chance for delta in pieces for chance in delta.chances], text)
    return WholeReply(completion, text, reasoning, finished, chances)


class Completions:
    """Generates replies that are not stored. One per application."""

    def __init__(self, models: ModelService, pool: ModelPool) -> None:
        self._models, self._pool = models, pool

    @asynccontextmanager
    async def open(
        self,
        user_id: str,
        model_id: str | None,
        turns: Sequence[Turn],
        overrides: Mapping[str, object],
        *,
        prefill: str = "",
        must_continue: bool = False,
        options: DecodingOptions = _NO_OPTIONS,
        drop_oldest: bool = False,
        total_tokens: int | None = None,
    ) -> AsyncIterator[Completion]:
        """Lease the model, get a ticket for its queue and render the prompt; all are released on exit.

        The ticket comes first: the refusal of a full queue must cost less than counting the tokens of a long prompt.

        `model_id`: a reference (``base@nf4+adapter``). `prefill`: the beginning of the reply; an engine that can't
        continue a reply gets it as one more turn, unless it `must_continue`. `drop_oldest`: leave out old turns that
        do not fit, instead of raising. `total_tokens`: a limit below the model's context.
        Raises :class:`UnsupportedRequest` for `options` that the engine can't do, :class:`~app.errors.PromptTooLong`,
        :class:`~app.errors.QueueFull` and the errors of leasing a model.
        """
        model_id = model_id or self._models.require_default_model()
        sampling = sampling_for(self._models.get(model_id), overrides)
        async with self._pool.lease(model_id) as model:
            _require(model, options, overrides)
            with model.admit(user_id) as ticket:
                context_tokens = min(filter(None, (model.capabilities.context_tokens, total_tokens)))
                if drop_oldest:

                    async def render(some: Sequence[Turn]) -> Prompt:
                        return await model.render(some, thinking=sampling.thinking)

                    fitted = await fit(turns, render, context_tokens, sampling.max_new_tokens)
                    prompt, max_new_tokens = fitted.prompt, fitted.max_new_tokens
                else:
                    prompt, prefill = await _rendered(model, turns, prefill, must_continue, sampling.thinking)
                    max_new_tokens = min(sampling.max_new_tokens, remaining_tokens(prompt, context_tokens))
                request = request_for(prompt, sampling, max_new_tokens, model_id, options, prefill)
                async with aclosing(model.generate(request, ticket)) as events:
                    yield Completion(request, model, events)


async def _rendered(
    model: LoadedModel, turns: Sequence[Turn], prefill: str, must_continue: bool, thinking: bool | None
) -> tuple[Prompt, str]:
    """The prompt, and the beginning of the reply that is part of it."""
    try:
        return await model.render(turns, prefill, thinking), prefill
    except UnsupportedRequest:
        if must_continue or not prefill:
            raise
        return await model.render([*turns, Turn(Role.ASSISTANT, prefill)], thinking=thinking), ""


def _require(model: LoadedModel, options: DecodingOptions, overrides: Mapping[str, object]) -> None:
    if overrides.get("thinking_tokens") is not None and not model.capabilities.thinking_limit:
        text = f"`thinking_budget` is not supported by the server of {model.manifest.title}; leave it out."
        raise UnsupportedRequest(text, field="thinking_budget")
    for name in sorted(options.wanted - model.capabilities.options):
        field = {"json_schema": "response_format"}.get(name, name)
        text = f"`{field}` is not supported by the engine of {model.manifest.title}; leave it out."
        raise UnsupportedRequest(text, field=field)
