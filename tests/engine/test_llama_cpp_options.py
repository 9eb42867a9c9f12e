"""JSON replies, penalties and token biases with the real default model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.domain.generation import DecodingOptions, Delta, Finished, FinishReason, Reading
from app.domain.messages import Role, Turn
from app.domain.tool_calls import CallReader, Function, required_schema
from app.engine.base import LoadPlan
from app.engine.llama_cpp.engine import LlamaCppEngine
from app.families.base import Family
from app.models.manifest import Manifest
from tests.engine.engine_contract import request
from tests.engine.test_llama_cpp_adapters import chatml

pytestmark = pytest.mark.anyio
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "people": {"type": "integer", "maximum": 999}},
    "required": ["city", "people"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
async def engine(default_weights: Path) -> AsyncIterator[LlamaCppEngine]:
    manifest = Manifest(id="tiny", title="Tiny", family="chatml", engine="llama_cpp")
    engine = LlamaCppEngine(LoadPlan(manifest, Family("chatml", "ChatML", chatml), default_weights, 512, 2, 2))
    await engine.start()
    yield engine
    await engine.stop()


async def say(engine: LlamaCppEngine, question: str, **options: Any) -> tuple[str, FinishReason]:
    prompt = await engine.render([Turn(Role.USER, question)])
    wanted = replace(request(prompt, max_new_tokens=80), options=DecodingOptions(**options))
    events = [event async for event in engine.generate(wanted)]
    assert isinstance(events[-1], Finished)
    return "".join(event.text for event in events if isinstance(event, Delta)), events[-1].reason


async def test_a_reply_follows_its_schema(engine: LlamaCppEngine) -> None:
    text, reason = await say(engine, "Tell me about a city.", json_schema=SCHEMA)
    found = json.loads(text)
    assert reason is FinishReason.STOP
    assert set(found) == {"city", "people"}
    assert isinstance(found["people"], int)
    plain, _ = await say(engine, "Tell me about a city.")
    assert not plain.startswith("{")


async def test_a_token_that_is_banned_does_not_come(engine: LlamaCppEngine) -> None:
    plain, _ = await say(engine, "Say yes.")
    prompt = await engine.render([Turn(Role.USER, "Say yes.")], plain)
    before = await engine.render([Turn(Role.USER, "Say yes.")])
    assert prompt.token_ids is not None
    first = prompt.token_ids[before.n_tokens]
    biased, _ = await say(engine, "Say yes.", logit_bias={first: -100.0})
    assert biased != plain
    again = await engine.render([Turn(Role.USER, "Say yes.")], biased)
    assert again.token_ids is not None
    assert again.token_ids[before.n_tokens] != first


async def test_penalties_change_a_reply(engine: LlamaCppEngine) -> None:
    question = "Repeat the word tea ten times."
    replies = {
        (await say(engine, question, **options))[0]
        for options in ({}, {"presence_penalty": 2.0}, {"frequency_penalty": 2.0})
    }
    assert len(replies) >= 2


async def test_the_tokens_of_a_reply_are_told_with_their_probabilities(engine: LlamaCppEngine) -> None:
    prompt = await engine.render([Turn(Role.USER, "Say: 你好 🦜🦜")], "你好 🦜🦜🦜")
    options = DecodingOptions(logprobs=True, top_logprobs=3)
    wanted = replace(request(prompt, max_new_tokens=20, temperature=0.0), options=options)
    deltas = [event async for event in engine.generate(wanted) if isinstance(event, Delta)]
    for delta in deltas:
        assert b"".join(chance.text for chance in delta.chances).decode() == delta.text
        for chance in delta.chances:
            assert chance.logprob <= 0
            assert [other.logprob for other in chance.likeliest] == sorted(
                (other.logprob for other in chance.likeliest), reverse=True
            )
            assert len(chance.likeliest) == 3
            assert chance.likeliest[0].logprob == pytest.approx(chance.logprob)  # without temperature it is chosen


async def test_no_token_of_a_stop_string_is_told(engine: LlamaCppEngine) -> None:
    prompt = await engine.render([Turn(Role.USER, "Count.")], "1, 2, 3, 4,")
    options = DecodingOptions(logprobs=True)
    wanted = replace(request(prompt, temperature=0.0, stop=(", 7",)), options=options)
    deltas = [event async for event in engine.generate(wanted) if isinstance(event, Delta)]
    chances = [chance for delta in deltas for chance in delta.chances]
    assert b"".join(chance.text for chance in chances).decode() == " 5, 6"
    assert [chance.likeliest for chance in chances] == [()] * len(chances)


async def test_every_token_of_a_character_counts(engine: LlamaCppEngine) -> None:
    prompt = await engine.render([Turn(Role.USER, "🦜")], "🦜🦜🦜🦜🦜🦜🦜🦜")
    events = [event async for event in engine.generate(request(prompt, max_new_tokens=9, temperature=0.0))]
    assert isinstance(events[-1], Finished)
    assert events[-1].usage.completion_tokens == 9


async def test_a_required_call_is_a_call_of_one_of_the_functions(engine: LlamaCppEngine) -> None:
    functions = [
        Function("weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}}),
        Function("time"),
    ]
    text, _ = await say(engine, "What is the weather in Paris?", json_schema=required_schema(functions))
    reader = CallReader(functions)
    assert reader.push(text) + reader.finish() == ""
    assert len(reader.calls) == 1


async def test_a_tag_of_reasoning_that_is_a_control_token_is_text(
    engine: LlamaCppEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "<|im_start|>" not in (await say(engine, "Hi", logit_bias={1: 100.0}))[0]
    monkeypatch.setattr(engine, "_tags", ["<|im_start|>"])
    assert (await say(engine, "Hi", logit_bias={1: 100.0}))[0].startswith("<|im_start|>")


async def test_how_far_a_long_prompt_is_read_is_told(engine: LlamaCppEngine) -> None:
    prompt = await engine.render([Turn(Role.USER, "one two three " * 120)])
    events = [event async for event in engine.generate(request(prompt, max_new_tokens=2))]
    read = [event.read_tokens for event in events if isinstance(event, Reading)]
    assert read == sorted(read)
    assert len(read) > 1
    assert read[-1] == prompt.n_tokens
    assert {event.prompt_tokens for event in events if isinstance(event, Reading)} == {prompt.n_tokens}
