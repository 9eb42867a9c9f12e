"""A loaded model: its engine and admission queue; the worker is restarted when it has died."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from app.domain.generation import Admitted, Finished, GenerationEvent, GenerationRequest, Prompt, Queued
from app.domain.messages import Role, Turn
from app.domain.turn_order import in_order
from app.engine.admission import AdmissionQueue, Ticket
from app.engine.base import Capabilities, Engine
from app.engine.quota import UNLIMITED, Quota
from app.engine.reasoning import reasoned
from app.errors import UnsupportedRequest, WorkerDied
from app.models.manifest import NO_THINK, Manifest

_DEATHS_COUNT_FOR_S = 60.0
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0
# Prompts rendered at once: llama.cpp counts each in a thread of its own, and twenty long ones at a time (half a second
# on two cores) would keep all other requests from the cores.
_RENDERINGS = 2


class LoadedModel:
    """A model to render prompts, admit requests and generate replies with; leased from the pool."""

    def __init__(
        self,
        manifest: Manifest,
        engine: Engine,
        digest: str,
        max_waiting: int,
        check_weights: Callable[[], None] = lambda: None,
        quota: Quota = UNLIMITED,
    ) -> None:
        """`check_weights` is called in a thread before a restart of the worker; it raises if the files changed.

        Where `quota` says that there are several people, nobody is told what of a prompt was in the cache: that would
        tell what others have asked.
        """
        self.manifest = manifest
        self.digest = digest
        self.quantization = manifest.quantization
        self.engine = engine
        self.queue = AdmissionQueue(engine.capabilities.slots, max_waiting, quota)
        self.restarts = 0
        self._check_weights = check_weights
        self._quota = quota
        self._reviving = asyncio.Lock()
        self._rendering = asyncio.Semaphore(_RENDERINGS)
        self._deaths: deque[float] = deque(maxlen=8)

    @property
    def capabilities(self) -> Capabilities:
        """The engine's capabilities."""
        return self.engine.capabilities

    async def render(self, turns: Sequence[Turn], prefill: str = "", thinking: bool | None = None) -> Prompt:
        """The prompt for a reply to `turns`, with its token count; `prefill` is the beginning of the reply.

        `turns` are put in order first: see :func:`~app.domain.turn_order.in_order`. `thinking`: whether the model is to
        think first; ``None``: as it does by itself.
        """
        turns = in_order(turns)
        if thinking is False and self.manifest.reasoning.switch == NO_THINK:
            turns = _told_not_to_think(turns)
        async with self._rendering:
            await self._revive()
            try:
                return await self.engine.render(turns, prefill, thinking)
            except WorkerDied:  # it had died unnoticed; rendering has no side effects, so retry
                await self._revive()
                return await self.engine.render(turns, prefill, thinking)

    def admit(self, user_id: str) -> Ticket:
        """Enter the queue; the ticket is a context manager. Raises :class:`~app.errors.QueueFull`."""
        return self.queue.admit(user_id)

    async def generate(self, request: GenerationRequest, ticket: Ticket) -> AsyncGenerator[GenerationEvent, None]:
        """``Queued`` whenever the position changes, ``Admitted``, deltas, ``Finished``; then releases the ticket.

        Closing the generator cancels. A ticket released by someone else while it waits ends the events without
        ``Finished``. Raises :class:`~app.errors.EngineError`, :class:`UnsupportedRequest`.
        """
        with ticket:
            if request.adapter is not None and request.adapter not in self.capabilities.adapters:
                raise UnsupportedRequest(f"This model has no adapter {request.adapter!r}.", field="adapter")
            async for position in ticket.positions():
                yield Queued(position)
            if not ticket.admitted:
                return
            yield Admitted()
            await self._revive()
            async with aclosing(reasoned(self.engine, request, self.manifest)) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        self._quota.used(ticket.user_id, event.usage)
                        if self._quota.several_people:
                            event = replace(event, usage=replace(event.usage, cached_tokens=0))
                    yield event

    async def _revive(self) -> None:
        """Restart the worker if it has died, with exponential backoff for one that keeps dying."""
        if self.engine.alive:
            return
        async with self._reviving:
            if self.engine.alive:
                return
            now = time.monotonic()
            recent = sum(1 for at in self._deaths if now - at < _DEATHS_COUNT_FOR_S)
            self._deaths.append(now)
            if recent:
                await asyncio.sleep(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** (recent - 1)))
            await asyncio.to_thread(self._check_weights)
            self.restarts += 1
            await self.engine.start()


def _told_not_to_think(turns: Sequence[Turn]) -> list[Turn]:
    """The turns with Qwen3's switch behind the last question. https://qwen.readthedocs.io"""
    last = max((at for at, turn in enumerate(turns) if turn.role is Role.USER), default=None)
    return [Turn(turn.role, f"{turn.content} {NO_THINK}") if at == last else turn for at, turn in enumerate(turns)]
