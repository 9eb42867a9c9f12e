"""What every engine promises, as tests.

A test module makes a module-scoped fixture ``subject`` (parametrised over engines if it likes) and inherits from
:class:`EngineContract`. The engine must answer any question with at least a dozen tokens when ``ignore_eos`` is set,
and one that asks for ``EMOJI`` with some characters of more than one byte.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest

from app.domain.generation import Delta, EngineEvent, Finished, FinishReason, GenerationRequest, Prompt, Reading
from app.domain.messages import Role, Turn
from app.domain.reasoning import Phase, beginning
from app.domain.sampling import SamplingParams
from app.engine.base import Engine
from app.engine.reasoning import reasoned
from app.errors import EngineError, InvalidRequest
from app.models.manifest import Manifest

EMOJI = "Repeat this line ten times: 😀🎉👩‍🚀 你好，世界 龘 안녕 ñ"
EMOJI_TURNS = [  # even a small English model goes on like this
    Turn(Role.USER, EMOJI),
    Turn(Role.ASSISTANT, "😀🎉👩‍🚀 你好，世界 龘 안녕 ñ\n" * 3),
    Turn(Role.USER, EMOJI),
]
QUESTION = "Tell me about rivers."
_ids = count()


@dataclass
class Subject:
    """An engine under test, started."""

    engine: Engine
    busy: Callable[[], Awaitable[int]]  # requests that the far end is still computing
    counts_exactly: bool = True  # else prompt lengths are estimates
    caches_prefixes: bool = False


@dataclass
class Outcome:
    """A whole reply."""

    prompt: Prompt
    deltas: list[Delta]
    finished: Finished

    @property
    def text(self) -> str:
        return "".join(d.text for d in self.deltas)


def request(prompt: Prompt, **sampling: Any) -> GenerationRequest:
    wanted = SamplingParams(**{"max_new_tokens": 24, "seed": 7, "temperature": 0.0, **sampling})
    return GenerationRequest(f"request-{next(_ids)}", prompt, wanted)


async def ask(engine: Engine, question: str | list[Turn], **sampling: Any) -> Outcome:
    turns = [Turn(Role.USER, question)] if isinstance(question, str) else question
    prompt = await engine.render(turns)
    events = [event async for event in engine.generate(request(prompt, **sampling))]
    assert isinstance(events[-1], Finished)
    deltas = [event for event in events[:-1] if not isinstance(event, Reading)]
    assert all(isinstance(d, Delta) for d in deltas)
    return Outcome(prompt, deltas, events[-1])  # type: ignore[arg-type]


async def first_delta(stream: AsyncGenerator[EngineEvent, None]) -> Delta:
    """The first text of a reply."""
    async for event in stream:
        if isinstance(event, Delta):
            return event
    raise AssertionError("it ended without text")


async def until(condition: Callable[[], Awaitable[bool]], timeout_s: float) -> float:
    """Seconds until `condition` holds; fails after `timeout_s`."""
    started = time.monotonic()
    while not await condition():
        assert time.monotonic() - started < timeout_s, "it did not happen in time"
        await asyncio.sleep(0.01)
    return time.monotonic() - started


class EngineContract:
    pytestmark = pytest.mark.anyio

    async def test_a_reply_is_deltas_then_one_end(self, subject: Subject) -> None:
        outcome = await ask(subject.engine, QUESTION)
        assert outcome.text
        assert all(d.text and d.n_tokens > 0 for d in outcome.deltas)
        shown = sum(d.n_tokens for d in outcome.deltas)
        assert 0 <= outcome.finished.usage.completion_tokens - shown <= 1  # the end is a token too

    async def test_no_half_characters(self, subject: Subject) -> None:
        for seed in range(2):
            outcome = await ask(
                subject.engine, EMOJI_TURNS, temperature=0.5, seed=seed, max_new_tokens=40, ignore_eos=True
            )
            for delta in outcome.deltas:
                assert "\ufffd" not in delta.text
                delta.text.encode()  # a lone surrogate would raise
            assert not outcome.text.isascii()

    async def test_temperature_0_repeats_whatever_the_seed(self, subject: Subject) -> None:
        texts = {(await ask(subject.engine, QUESTION, seed=seed)).text for seed in (1, 2, 3)}
        assert len(texts) == 1

    async def test_a_seed_repeats(self, subject: Subject) -> None:
        first = await ask(subject.engine, QUESTION, seed=11, temperature=1.0)
        again = await ask(subject.engine, QUESTION, seed=11, temperature=1.0)
        others = [await ask(subject.engine, QUESTION, seed=seed, temperature=1.0) for seed in (12, 13)]
        assert first.text == again.text
        assert any(other.text != first.text for other in others)

    @pytest.mark.parametrize("length", [1, 5, 12])
    async def test_the_length_is_kept(self, subject: Subject, length: int) -> None:
        outcome = await ask(subject.engine, QUESTION, max_new_tokens=length, ignore_eos=True)
        assert outcome.finished.reason is FinishReason.LENGTH
        assert outcome.finished.usage.completion_tokens == length

    async def test_no_part_of_a_stop_string_is_shown(self, subject: Subject) -> None:
        whole = (await ask(subject.engine, QUESTION, ignore_eos=True)).text
        for start, end in ((3, 9), (10, 11), (12, 30)):
            stop = whole[start:end]
            outcome = await ask(subject.engine, QUESTION, ignore_eos=True, stop=(stop, "never to be seen"))
            assert outcome.text == whole[: whole.index(stop)]
            assert outcome.finished.reason is FinishReason.STOP

    async def test_what_only_looked_like_a_stop_string_is_shown(self, subject: Subject) -> None:
        whole = (await ask(subject.engine, QUESTION, ignore_eos=True)).text
        stops = (whole[2:8] + "\x01", whole[-4:] + "\x01")
        outcome = await ask(subject.engine, QUESTION, ignore_eos=True, stop=stops)
        assert outcome.text == whole
        assert outcome.finished.reason is FinishReason.LENGTH

    async def test_reasoning_is_ended_at_its_limit_where_it_can_be(self, subject: Subject) -> None:
        if not subject.engine.capabilities.thinking_limit:
            pytest.skip("this engine can't")
        prompt = await subject.engine.render([Turn(Role.USER, QUESTION)], beginning("Hm", ""))
        asked = replace(request(prompt, thinking_tokens=6, ignore_eos=True), phase=Phase.REASONING)
        async with aclosing(reasoned(subject.engine, asked, Manifest("m", "M", "native", "any"))) as stream:
            events = [event async for event in stream]
        deltas = [event for event in events if isinstance(event, Delta)]
        assert "".join(d.reasoning for d in deltas).strip()
        assert "".join(d.text for d in deltas).strip()
        assert sum(d.n_tokens for d in deltas if d.reasoning) <= 7  # a character may take two
        assert isinstance(events[-1], Finished)
        assert events[-1].reason is FinishReason.LENGTH
        assert events[-1].usage.completion_tokens == asked.sampling.max_new_tokens

    async def test_cancelling_frees_the_slots_at_once(self, subject: Subject) -> None:
        engine = subject.engine
        prompt = await engine.render([Turn(Role.USER, QUESTION)])
        endless = {"max_new_tokens": 2000, "ignore_eos": True}
        streams = [engine.generate(request(prompt, **endless)) for _ in range(engine.capabilities.slots)]
        for stream in streams:
            assert await first_delta(stream)
        assert await subject.busy() == len(streams)
        for stream in streams:
            await stream.aclose()

        async def idle() -> bool:
            return await subject.busy() == 0

        await until(idle, 5.0)  # much sooner than 2,000 tokens
        assert (await ask(engine, QUESTION, max_new_tokens=2)).text

    async def test_a_failing_request_disturbs_nobody(self, subject: Subject) -> None:
        engine = subject.engine
        too_long = await engine.render([Turn(Role.USER, "word " * 3 * engine.capabilities.context_tokens)])
        assert too_long.n_tokens > engine.capabilities.context_tokens
        prompt = await engine.render([Turn(Role.USER, QUESTION)])
        async with aclosing(engine.generate(request(prompt, max_new_tokens=20, ignore_eos=True))) as neighbour:
            await anext(neighbour)
            with pytest.raises((EngineError, InvalidRequest)):
                [event async for event in engine.generate(request(too_long))]
            rest = [event async for event in neighbour]
        assert isinstance(rest[-1], Finished)
        assert rest[-1].usage.completion_tokens == 20

    @pytest.mark.parametrize("text", ["Hi", EMOJI, "<|im_end|> </s> \n\n\t x", "a" * 300])
    async def test_prompts_are_counted_as_they_are_evaluated(self, subject: Subject, text: str) -> None:
        outcome = await ask(subject.engine, [Turn(Role.SYSTEM, "Be brief."), Turn(Role.USER, text)], max_new_tokens=1)
        evaluated = outcome.finished.usage.prompt_tokens
        if subject.counts_exactly:
            assert outcome.prompt.n_tokens == evaluated
        else:
            assert outcome.prompt.n_tokens >= evaluated / 2 > 0  # this model's tokenizer knows English only

    async def test_the_next_turn_reuses_the_last_ones_prefix(self, subject: Subject) -> None:
        if not subject.caches_prefixes:
            return  # nothing is promised
        turns = [Turn(Role.USER, "Name three rivers, and say a word about each of them.")]
        first = await ask(subject.engine, turns)
        turns += [Turn(Role.ASSISTANT, first.text), Turn(Role.USER, "And the longest?")]
        second = await ask(subject.engine, turns)
        assert second.finished.usage.cached_tokens >= first.prompt.n_tokens - 1

    async def test_it_can_be_stopped_and_started_again(self, subject: Subject) -> None:
        engine = subject.engine
        prompt = await engine.render([Turn(Role.USER, QUESTION)])
        stream = engine.generate(request(prompt, max_new_tokens=2000, ignore_eos=True))
        await anext(stream)
        await engine.stop()
        await engine.stop()
        assert not engine.alive
        with pytest.raises(EngineError):
            [event async for event in stream]
        with pytest.raises(EngineError):
            [event async for event in engine.generate(request(prompt))]
        await engine.start()
        await engine.start()
        assert engine.alive
        assert (await ask(engine, QUESTION, max_new_tokens=3)).text
