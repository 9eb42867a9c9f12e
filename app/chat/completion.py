"""Replies that are not stored, for the OpenAI-compatible and the ChatGLM routes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.chat.generation_requests import request_for, sampling_for
from app.domain.context import fit, remaining_tokens
from app.domain.generation import Delta, Finished, FinishReason, GenerationEvent, GenerationRequest, Usage
from app.domain.messages import Turn
from app.engine.loaded import LoadedModel
from app.engine.pool import ModelPool
from app.models.service import ModelService


@dataclass(frozen=True, slots=True)
class Completion:
    """An admitted request; ``events`` may be read once."""

    request: GenerationRequest
    model: LoadedModel
    events: AsyncGenerator[GenerationEvent, None]

    async def text(self) -> tuple[str, Finished]:
        """Read all events; the whole text, and the last event."""
        pieces: list[str] = []
        finished = Finished(FinishReason.STOP, Usage(self.request.prompt.n_tokens))
        async for event in self.events:
            if isinstance(event, Delta):
                pieces.append(event.text)
            elif isinstance(event, Finished):
                finished = event
        return "".join(pieces), finished


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
        drop_oldest: bool = False,
        total_tokens: int | None = None,
    ) -> AsyncIterator[Completion]:
        """Lease the model, render the prompt and get a ticket for its queue; all are released on exit.

        `model_id`: a reference (``base@nf4+adapter``). `drop_oldest`: leave out old turns that do not fit, instead of
        raising. `total_tokens`: a limit below the model's context.
        Raises :class:`~app.errors.PromptTooLong`, :class:`~app.errors.QueueFull` and the errors of leasing a model.
        """
        model_id = model_id or self._models.require_default_model()
        sampling = sampling_for(self._models.get(model_id), overrides)
        async with self._pool.lease(model_id) as model:
            context_tokens = min(model.capabilities.context_tokens, total_tokens or model.capabilities.context_tokens)
            if drop_oldest:
                fitted = await fit(turns, model.render, context_tokens, sampling.max_new_tokens)
                prompt, max_new_tokens = fitted.prompt, fitted.max_new_tokens
            else:
                prompt = await model.render(turns)
                max_new_tokens = min(sampling.max_new_tokens, remaining_tokens(prompt, context_tokens))
            request = request_for(prompt, sampling, max_new_tokens, model_id)
            ticket = model.admit(user_id)
            try:
                events = model.generate(request, ticket)
                try:
                    yield Completion(request, model, events)
                finally:
                    await events.aclose()
            finally:
                ticket.release()
