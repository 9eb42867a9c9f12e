"""LoRA adapters over a GGUF model in one worker: each request has its own, and none leaves a trace in another."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from app.domain.generation import Delta, Finished
from app.domain.messages import Role, Turn
from app.engine.base import LoadPlan
from app.engine.llama_cpp.engine import LlamaCppEngine
from app.errors import GenerationFailed
from app.families.base import Family
from app.models.manifest import Manifest
from app.weights.converting.lora import gguf_adapter
from app.weights.formats.gguf import read_header
from tests.engine.engine_contract import request
from tests.support.lora_files import SMOLLM2, random_lora

pytestmark = pytest.mark.anyio
NAMES = (None, "a", "b")
QUESTIONS = ("Tell me about rivers.", "Tell me about rivers and stones.", "What is a boat?")


def chatml(turns: Sequence[Turn]) -> str:
    said = "".join(f"<|im_start|>{turn.role.value}\n{turn.content}<|im_end|>\n" for turn in turns)
    return f"{said}<|im_start|>assistant\n"


def plan(weights: Path, adapters: dict[str, Path], cache_dir: Path | None, slots: int = 2) -> LoadPlan:
    manifest = Manifest(id="tiny", title="Tiny", family="chatml", engine="llama_cpp")
    return LoadPlan(
        manifest, Family("chatml", "ChatML", chatml), weights, 512, slots, 1, adapters=adapters, cache_dir=cache_dir
    )


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return {name: random_lora(folder / name, "smollm2", SMOLLM2, seed) for seed, name in enumerate("ab")}


@pytest.fixture(scope="module")
async def engine(
    default_weights: Path, adapters: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LlamaCppEngine]:
    engine = LlamaCppEngine(plan(default_weights, adapters, tmp_path_factory.mktemp("cache")))
    await engine.start()
    yield engine
    await engine.stop()


async def say(
    engine: LlamaCppEngine, turns: str | list[Turn], adapter: str | None = None, max_new_tokens: int = 8
) -> tuple[str, int]:
    """The reply, and how many tokens of its prompt were computed before."""
    prompt = await engine.render([Turn(Role.USER, turns)] if isinstance(turns, str) else turns)
    wanted = replace(request(prompt, max_new_tokens=max_new_tokens, ignore_eos=True), adapter=adapter)
    text = ""
    async with aclosing(engine.generate(wanted)) as events:
        async for event in events:
            if isinstance(event, Delta):
                text += event.text
    assert isinstance(event, Finished)
    return text, event.usage.cached_tokens


async def alone(weights: Path, adapters: dict[str, Path], cache: Path, question: str, adapter: str | None) -> str:
    """What a worker that has done nothing before says."""
    engine = LlamaCppEngine(plan(weights, {adapter: adapters[adapter]} if adapter else {}, cache, slots=1))
    await engine.start()
    try:
        return (await say(engine, question, adapter))[0]
    finally:
        await engine.stop()


async def test_each_reply_is_what_its_adapter_says_alone(
    engine: LlamaCppEngine, default_weights: Path, adapters: dict[str, Path], tmp_path: Path
) -> None:
    assert engine.capabilities.adapters == ("a", "b")
    expected = {n: await alone(default_weights, adapters, tmp_path, QUESTIONS[0], n) for n in NAMES}
    assert len(set(expected.values())) == 3
    for name in ("a", None, "b", "b", "a"):
        assert (await say(engine, QUESTIONS[0], name))[0] == expected[name]


async def test_what_one_adapter_computed_is_no_others(engine: LlamaCppEngine) -> None:
    """More conversations than slots, with long beginnings in common: slots and kept prompts change hands."""
    expected = {(q, n): (await say(engine, q, n))[0] for q in QUESTIONS for n in NAMES}
    assert len(set(expected.values())) > 6
    jobs = random.Random(0).sample(list(expected), len(expected))
    replies = await asyncio.gather(*(say(engine, question, name) for question, name in jobs))
    assert {job: text for job, (text, _) in zip(jobs, replies, strict=True)} == expected


async def test_the_same_adapter_goes_on_where_it_was(engine: LlamaCppEngine) -> None:
    turns = [Turn(Role.USER, "Count the stones in the river, one after another.")]
    text, _ = await say(engine, turns, "a")
    turns += [Turn(Role.ASSISTANT, text), Turn(Role.USER, "Go on.")]
    _, cached = await say(engine, turns, "b")
    assert cached == 0
    _, cached = await say(engine, turns, "b")
    assert cached > 20


async def test_an_adapter_that_cannot_be_made_ready_keeps_nobody_from_answering(
    default_weights: Path, adapters: dict[str, Path], tmp_path: Path
) -> None:
    broken = random_lora(tmp_path / "broken", "smollm2", {"model.layers.0.self_attn.q_proj": (576, 576)})
    weights = broken / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    engine = LlamaCppEngine(plan(default_weights, {"broken": broken, "a": adapters["a"]}, tmp_path / "cache"))
    await engine.start()
    try:
        assert (await say(engine, "Hi", None))[0] != (await say(engine, "Hi", "a"))[0]
        with pytest.raises(GenerationFailed, match=r"adapter broken can't be used: .*cut off"):
            await say(engine, "Hi", "broken")
    finally:
        await engine.stop()


async def test_adapters_that_llama_cpp_refuses_leave_the_model_alone(default_weights: Path, tmp_path: Path) -> None:
    """The catalog finds out before; a folder may change between its look and llama.cpp's."""
    wide = random_lora(tmp_path / "wide", "smollm2", {"model.layers.0.mlp.down_proj": (64, 64)})
    engine = LlamaCppEngine(plan(default_weights, {"wide": wide}, None))
    await engine.start()
    try:
        assert (await say(engine, "Hi", None))[0]
        with pytest.raises(GenerationFailed, match=r"llama\.cpp can't load"):
            await say(engine, "Hi", "wide")
    finally:
        await engine.stop()


async def test_a_gguf_adapter_is_taken_as_it_is(
    engine: LlamaCppEngine, default_weights: Path, adapters: dict[str, Path], tmp_path: Path
) -> None:
    header = read_header(default_weights)
    ready = tmp_path / "ready" / "adapter.gguf"
    ready.parent.mkdir()
    ready.write_bytes(gguf_adapter(adapters["a"], header, tmp_path).read_bytes())
    other = LlamaCppEngine(plan(default_weights, {"ready": ready.parent}, tmp_path / "unused"))
    await other.start()
    try:
        assert await say(other, "Hi", "ready") == await say(engine, "Hi", "a")
    finally:
        await other.stop()
    assert not (tmp_path / "unused").exists()
