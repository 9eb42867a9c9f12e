"""The asyncio task that generates one reply and stores it, independent of any HTTP request."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial

from app.chat.events import ReplyFailed, ReplyFinished
from app.chat.resumable_events import Channel
from app.chat.running_reply import RunningReply
from app.domain.generation import Admitted, Delta, Finished, FinishReason, GenerationRequest, Queued, Reading, Usage
from app.domain.messages import Message, MessageState, Timing
from app.domain.reasoning import Said
from app.engine.admission import Ticket
from app.engine.loaded import LoadedModel
from app.engine.reasoning import split_at_end
from app.errors import GenerationFailed, ParleyError, StoreBusy, StoreFull
from app.store.database import Store
from app.store.repositories import Repositories

FLUSH_S = 1.0  # new text is stored at least this often …
FLUSH_TOKENS = 64  # … and after this many tokens
FINISH_RETRY_S = (0.2, 0.5, 1, 2, 4, 8, 15)  # a full disk may get free space again

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """How a reply ended."""

    state: MessageState
    reason: FinishReason | None = None
    usage: Usage = field(default_factory=Usage)
    error: ParleyError | None = None
    timing: Timing = field(default_factory=Timing)


class _Clock:
    """Measures the queueing time, the time to the first text, the thinking time and the duration of a reply."""

    def __init__(self, thought_ms: int) -> None:
        """`thought_ms`: how long the reply that it continues has thought."""
        self._before_ms = thought_ms
        self._asked = time.perf_counter()
        self._admitted: float | None = None
        self._first: float | None = None
        self._thinking: float | None = None  # when the reasoning began
        self._answering: float | None = None

    def admitted(self) -> None:
        self._admitted = self._admitted or time.perf_counter()

    def delta(self, text: str, reasoning: str) -> None:
        self._first = self._first or time.perf_counter()
        if reasoning:
            self._thinking = self._thinking or time.perf_counter()
        if text:
            self._answering = self._answering or time.perf_counter()

    @property
    def thinking_ms(self) -> int | None:
        """Once the answer has begun; before, and without reasoning, ``None``."""
        return self._thought_until(self._answering) if self._answering else None

    def _thought_until(self, end: float) -> int | None:
        if self._thinking is None:
            return self._before_ms or None
        return self._before_ms + round(1000 * (end - self._thinking))

    def timing(self) -> Timing:
        if self._admitted is None:
            return Timing(thinking_ms=self._before_ms or None)
        end = time.perf_counter()
        return Timing(
            queued_ms=round(1000 * (self._admitted - self._asked)),
            first_token_ms=round(1000 * (self._first - self._admitted)) if self._first else None,
            duration_ms=round(1000 * (end - self._admitted)),
            thinking_ms=self._thought_until(self._answering or end),
        )


class ReplyTask:
    """Generates one reply and commits its end. ``resources`` (lease, ticket) are released after generation."""

    def __init__(
        self,
        store: Store,
        channel: Channel,
        reply: RunningReply,
        model: LoadedModel,
        request: GenerationRequest,
        ticket: Ticket,
        resources: AsyncExitStack,
    ) -> None:
        self.reply = reply
        self.ended = asyncio.Event()  # generation is over and its resources are released
        self.saved: Message | None = None  # the final message, once it is committed
        self._store, self._channel = store, channel
        self._model, self._request, self._ticket, self._resources = model, request, ticket, resources
        self._clock = _Clock(reply.message.timing.thinking_ms or 0)
        self._stored_length = reply.length
        self._unstored_tokens = 0
        self._completion_tokens = 0
        self._flush_due = asyncio.Event()
        self._stop_state = MessageState.CANCELLED
        self._outcome = Outcome(MessageState.PENDING)
        self._saving = asyncio.Lock()
        # Created here, not in `_run`: a stop before the first step must still lead to a commit.
        self._generating = asyncio.create_task(self._generate())
        self.done = asyncio.create_task(self._run())  # done once the end is saved or given up

    def stop(self, state: MessageState = MessageState.CANCELLED) -> None:
        """Stop the reply and keep its text. `state`: cancelled by a person, or interrupted by a shutdown."""
        self._stop_state = state
        self._generating.cancel()

    async def save(self) -> Message:
        """Commit and publish the end of a reply that has ended. Idempotent. Shield it, so that both or none are done.

        Raises :class:`~app.errors.StoreError`.
        """
        async with self._saving:
            if self.saved is None:
                error = self._outcome.error
                self.saved = await self._store.write(
                    partial(_store_end, self.reply.message_id, self._said(), self._outcome)
                )
                self._channel.publish(ReplyFailed(self.saved, error) if error else ReplyFinished(self.saved))
            return self.saved

    def _said(self) -> Said:
        """The whole reply."""
        said = Said(self.reply.text, str(self.reply.reasoning))
        return said if said.reasoning else split_at_end(said.text, self._request, self._model.capabilities)

    async def _run(self) -> Message | None:
        async with self._resources:
            flushing = asyncio.create_task(self._flush())
            await asyncio.wait([self._generating])
            flushing.cancel()
            await asyncio.wait([flushing])
        self._outcome = self._outcome_of(self._generating)
        self.ended.set()
        try:
            await self._save_with_retries()
        except Exception as err:
            log.exception("the end of reply %s could not be stored", self.reply.message.id)
            self._give_up(_known(err))
        return self.saved

    async def _generate(self) -> Outcome:
        stream = self._model.generate(self._request, self._ticket)
        try:
            async for event in stream:
                match event:
                    case Queued(position):
                        self.reply.position = position
                    case Admitted():
                        self._clock.admitted()
                        self.reply.position, self.reply.started = None, True
                    case Reading() as reading:
                        self.reply.reading = reading
                    case Delta() as delta:
                        self._append(delta)
                    case Finished(reason, usage):
                        return Outcome(MessageState.COMPLETE, reason, usage)
                self._channel.notify()
        finally:
            await stream.aclose()
        raise GenerationFailed("The model stopped unexpectedly. Try again.")

    def _append(self, delta: Delta) -> None:
        self._clock.delta(delta.text, delta.reasoning)
        self.reply.append(delta.text, delta.reasoning)
        self.reply.thinking_ms = self._clock.thinking_ms
        self._completion_tokens += delta.n_tokens
        self._unstored_tokens += delta.n_tokens
        if self._unstored_tokens >= FLUSH_TOKENS:
            self._flush_due.set()

    async def _flush(self) -> None:
        """Store the growing text. A failed write is repeated in the next round."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_S):
                    await self._flush_due.wait()
            self._flush_due.clear()
            if self.reply.length == self._stored_length:
                continue
            text, reasoning, length = self.reply.text, str(self.reply.reasoning), self.reply.length
            self._unstored_tokens = 0
            try:
                await self._store.write(partial(_store_text, self.reply.message_id, text, reasoning))
                self._stored_length = length
            except ParleyError as err:  # the whole text is stored again at the end
                log.warning("could not store a running reply yet: %s", err)
            except Exception:
                log.exception("could not store a running reply: unexpected error")

    def _outcome_of(self, generating: asyncio.Task[Outcome]) -> Outcome:
        usage = Usage(self._request.prompt.n_tokens, self._completion_tokens)
        if generating.cancelled():
            outcome = Outcome(self._stop_state, FinishReason.CANCELLED, usage)
        elif (error := generating.exception()) is None:
            outcome = generating.result()
        else:
            outcome = Outcome(MessageState.FAILED, FinishReason.ERROR, usage, _known(error))
        return replace(outcome, timing=self._clock.timing())

    async def _save_with_retries(self) -> None:
        """Save the end; retry for a while when the store is busy or full."""
        for pause_s in FINISH_RETRY_S:
            try:
                await self.save()
            except (StoreBusy, StoreFull):
                await asyncio.sleep(pause_s)
            else:
                return
        await self.save()

    def _give_up(self, error: ParleyError) -> None:
        """Publish that the end could not be stored. Storing is retried when the conversation is used again."""
        lost = replace(self.reply.message, content=self.reply.text, reasoning=str(self.reply.reasoning))
        lost = replace(lost, state=MessageState.FAILED, error_code=error.code)
        lost = replace(lost, error_message=error.message, error_details=error.details)
        self._channel.publish(ReplyFailed(lost, error))


def _known(error: BaseException) -> ParleyError:
    """The error for clients; an unexpected one is logged and replaced."""
    if isinstance(error, ParleyError):
        return error
    log.error("a reply failed with an unexpected error", exc_info=error)
    return GenerationFailed("Something went wrong inside Parley. Its log has the details. Try again.")


def _store_text(message_id: str, text: str, reasoning: str, r: Repositories) -> None:
    r.messages.set_text(message_id, text, reasoning)


def _store_end(message_id: str, said: Said, outcome: Outcome, r: Repositories) -> Message:
    error = outcome.error
    return r.messages.finish(
        message_id,
        state=outcome.state,
        content=said.text,
        reasoning=said.reasoning,
        finish_reason=outcome.reason,
        usage=outcome.usage,
        timing=outcome.timing,
        error_code=error.code if error else None,
        error_message=error.message if error else None,
        error_details=error.details if error else None,
    )
