from __future__ import annotations

import asyncio
import time

import pytest

from app.domain.generation import Delta, FinishReason
from app.domain.messages import Role, Turn
from app.engine.scripted import Reply, Script, ScriptedEngine, babble, echo, rules, tokens
from app.errors import GenerationFailed, PromptTooLong, WorkerDied
from tests.engine.engine_contract import ask, request

pytestmark = pytest.mark.anyio


async def started(script: Script, **options: int) -> ScriptedEngine:
    engine = ScriptedEngine(script, **options)
    await engine.start()
    return engine


def test_tokens_are_words_and_wide_characters() -> None:
    assert tokens("Hello,  you 你好😀!\n") == ["Hello,", "  you", " 你", "好", "😀", "!", "\n"]


async def test_it_echoes_the_question() -> None:
    engine = await started(echo(delay_ms=0))
    outcome = await ask(engine, [Turn(Role.USER, "Earlier"), Turn(Role.ASSISTANT, "Yes"), Turn(Role.USER, "What now?")])
    assert outcome.text == "You said: What now?"
    assert outcome.finished.reason is FinishReason.STOP
    assert outcome.prompt.text == "user: Earlier\nassistant: Yes\nuser: What now?\nassistant: "
    assert outcome.finished.usage.completion_tokens == 4


async def test_rules_choose_by_the_prompt() -> None:
    engine = await started(rules(("weather", Reply.of("Rain.")), otherwise=babble(3, delay_ms=0)))
    assert (await ask(engine, "The weather?")).text == "Rain."
    assert len((await ask(engine, "Other")).text.split()) == 3


async def test_deltas_keep_their_beat() -> None:
    engine = await started(babble(20, delay_ms=10))
    began = time.monotonic()
    await ask(engine, "x", max_new_tokens=20)
    assert time.monotonic() - began >= 0.2


async def test_a_fault_comes_where_the_script_says() -> None:
    fault = GenerationFailed("as told")
    engine = await started(rules(("bad", Reply(("a", "b", "c"), fault=fault, fault_after=2))))
    stream = engine.generate(request(await engine.render([Turn(Role.USER, "bad")])))
    shown = [await anext(stream), await anext(stream)]
    with pytest.raises(GenerationFailed):
        await anext(stream)
    assert shown == [Delta("a"), Delta("b")]
    assert engine.alive


async def test_a_death_ends_all_replies() -> None:
    script = rules(("die", Reply((), fault=WorkerDied("killed"))), otherwise=lambda _: Reply(("a",), hangs=True))
    engine = await started(script)
    hanging = engine.generate(request(await engine.render([Turn(Role.USER, "x")])))
    assert await anext(hanging) == Delta("a")
    waiting = asyncio.create_task(anext(hanging))
    with pytest.raises(WorkerDied):
        await anext(engine.generate(request(await engine.render([Turn(Role.USER, "die")]))))
    assert not engine.alive
    with pytest.raises(WorkerDied):
        await asyncio.wait_for(waiting, 1)
    await engine.start()
    assert engine.starts == 2


async def test_the_context_is_a_limit() -> None:
    engine = await started(babble(50, delay_ms=0), context_tokens=10)
    outcome = await ask(engine, "one two", max_new_tokens=40)
    assert outcome.finished.reason is FinishReason.LENGTH
    assert outcome.prompt.n_tokens + outcome.finished.usage.completion_tokens == 10
    with pytest.raises(PromptTooLong):
        await ask(engine, "one two three four five six seven eight")
