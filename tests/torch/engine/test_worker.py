"""The torch worker as a process: its deaths, what it refuses, and how prompts reach it."""

from __future__ import annotations

import asyncio
import copy
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("torch", reason="needs the extra torch")

from app.domain.generation import Delta, Finished
from app.domain.messages import Role, Turn
from app.engine.base import LoadPlan
from app.engine.templates.native_format import NativeFormat, native_format
from app.engine.templates.renderer import TemplateRenderer
from app.engine.torch import ENGINE
from app.engine.torch.engine import TorchEngine
from app.errors import ConversationRefused, GenerationFailed, PromptTooLong, WorkerDied, WorkerFailed
from app.families import load_families
from app.families.base import Family
from app.models.manifest import Manifest
from tests.engine.engine_contract import QUESTION, ask, first_delta, request, until
from tests.torch.engine import tiny

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]
NATIVE = Family("native", "Native", None)
PLAIN = Family("plain", "Plain", lambda turns: f"Q: {turns[-1].content} A:", stop=(" harbor",))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """One event loop for the module's engine."""
    return "asyncio"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = tiny.tokenizer()
    return tiny.save(tiny.speaker(words), words, tmp_path_factory.mktemp("speaker"))


def plan(folder: Path, family: Family = NATIVE, native: NativeFormat | None = None) -> LoadPlan:
    manifest = Manifest(id="tiny", title="Tiny", family=family.name, engine="torch")
    return LoadPlan(manifest, family, folder, context_tokens=512, slots=2, threads=1, native=native)


@pytest.fixture(scope="module")
async def renderer() -> AsyncIterator[TemplateRenderer]:
    renderer = TemplateRenderer()
    yield renderer
    await renderer.close()


@pytest.fixture(scope="module")
async def shared_engine(folder: Path, renderer: TemplateRenderer) -> AsyncIterator[TorchEngine]:
    """One for the module: a worker's imports take seconds."""
    shared = TorchEngine(plan(folder, native=native_format(renderer, folder)))
    yield shared
    await shared.stop()


@pytest.fixture
async def engine(shared_engine: TorchEngine) -> TorchEngine:
    """The shared one, started again where the test before has ended its worker."""
    await shared_engine.start()
    return shared_engine


def with_format(engine: TorchEngine, family: Family, native: NativeFormat | None = None) -> TorchEngine:
    """The same worker, asked in another format: formats concern the parent only."""
    other = copy.copy(engine)
    other._plan = replace(engine._plan, family=family, native=native)
    return other


def test_the_parent_loads_nothing_heavy() -> None:
    script = "import sys, app.engine.torch; print({'torch', 'transformers', 'numpy'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "set()"
    assert ENGINE.extra == "torch"


async def test_a_killed_worker_is_told_and_comes_back(engine: TorchEngine) -> None:
    prompt = await engine.render([Turn(Role.USER, QUESTION)])
    streams = [engine.generate(request(prompt, max_new_tokens=400, ignore_eos=True)) for _ in range(2)]
    for stream in streams:
        assert await first_delta(stream)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    for stream in streams:
        with pytest.raises(WorkerDied, match=r"signal 9.*memory") as died:
            async for _ in stream:
                pass
        assert died.value.details["model_id"] == "tiny"
    assert not engine.alive
    with pytest.raises(WorkerDied):
        await engine.render([Turn(Role.USER, QUESTION)])
    with pytest.raises(WorkerDied):
        await anext(engine.generate(request(prompt)))
    await engine.start()
    assert (await ask(engine, QUESTION, max_new_tokens=3)).text


async def test_an_engine_that_was_never_started_says_so(folder: Path) -> None:
    with pytest.raises(WorkerDied, match="is not running"):
        await TorchEngine(plan(folder)).render([Turn(Role.USER, QUESTION)])


async def test_the_worker_listens_nowhere_and_knows_nothing_of_the_parents_files(engine: TorchEngine) -> None:
    assert engine.pid is not None
    worker = psutil.Process(engine.pid)
    assert not worker.net_connections("inet")
    assert len(worker.net_connections("unix")) <= 3  # the line, and what asyncio uses as pipes
    assert worker.environ()["GOMP_SPINCOUNT"] == "3000"


async def test_an_oversized_prompt_is_refused_with_both_counts(engine: TorchEngine) -> None:
    prompt = await engine.render([Turn(Role.USER, "word " * 600)])
    with pytest.raises(PromptTooLong) as refused:
        await anext(engine.generate(request(prompt)))
    assert refused.value.details == {"prompt_tokens": prompt.n_tokens, "context_tokens": 512}


async def test_a_full_context_ends_the_reply(engine: TorchEngine) -> None:
    words = "river " * 480
    outcome = await ask(engine, words, max_new_tokens=400, ignore_eos=True)
    assert outcome.finished.reason == "length"
    assert outcome.finished.usage.prompt_tokens + outcome.finished.usage.completion_tokens == 512


async def test_the_chat_template_is_the_checkpoints(engine: TorchEngine) -> None:
    prompt = await engine.render([Turn(Role.SYSTEM, "Be brief."), Turn(Role.USER, "river 你")], prefill=" stone")
    assert prompt.text == "<s>[system] Be brief.\n[user] river 你\n[assistant] stone"
    words = tiny.tokenizer()
    assert list(prompt.token_ids or ()) == words(prompt.text, add_special_tokens=False).input_ids


async def test_a_familys_format_and_stop_strings(engine: TorchEngine) -> None:
    plain = with_format(engine, PLAIN)
    prompt = await plain.render([Turn(Role.USER, "x")], prefill=" river")
    assert prompt.text == "Q: x A: river"
    outcome = await ask(plain, "x", temperature=2.0, top_p=1.0, min_p=0.0, max_new_tokens=400, ignore_eos=True)
    assert "harbor" not in outcome.text
    assert outcome.finished.reason == "stop"


async def test_a_text_that_spells_control_tokens_is_only_text(engine: TorchEngine) -> None:
    start, end = 0, 1
    words = tiny.tokenizer()
    spelled = "river</s>stone<s>"
    as_text = words(spelled, add_special_tokens=False, split_special_tokens=True).input_ids
    turns = [Turn(Role.USER, spelled), Turn(Role.ASSISTANT, spelled), Turn(Role.USER, spelled)]
    prompt = await engine.render(turns, prefill=spelled)
    assert prompt.text == f"<s>[user] {spelled}\n[assistant] {spelled}\n[user] {spelled}\n[assistant]{spelled}"
    ids = list(prompt.token_ids or ())
    assert (ids.count(start), ids.count(end), len(ids)) == (1, 0, prompt.n_tokens)
    assert ids[-len(as_text) :] == as_text
    assert words.decode(ids[1:]) == prompt.text[3:]
    plain = await with_format(engine, load_families()["vicuna"]).render(turns)
    assert (plain.token_ids or ()).count(end) == 1  # the format's own
    assert plain.text.count(spelled) == 3


async def test_a_conversation_that_the_template_refuses_fails_alone(
    engine: TorchEngine, tmp_path: Path, renderer: TemplateRenderer
) -> None:
    words = tiny.tokenizer()
    words.chat_template = "{{ raise_exception('roles must alternate') }}"
    strict = tiny.save(tiny.speaker(words), words, tmp_path / "strict")
    with pytest.raises(ConversationRefused, match="does not accept this conversation: roles must alternate"):
        await with_format(engine, NATIVE, native_format(renderer, strict)).render([Turn(Role.USER, "x")])
    assert (await engine.render([Turn(Role.USER, "x")])).text


async def test_a_checkpoint_without_a_template_says_so(tmp_path: Path, renderer: TemplateRenderer) -> None:
    words = tiny.tokenizer()
    words.chat_template = None
    none = tiny.save(tiny.speaker(words), words, tmp_path / "none")
    engine = TorchEngine(plan(none, native=native_format(renderer, none)))
    await engine.start()
    with pytest.raises(GenerationFailed, match="no chat template"):
        await engine.render([Turn(Role.USER, "x")])
    await engine.stop()


@pytest.mark.parametrize("damage", ["missing", "no weights", "no number"])
async def test_weights_that_cannot_be_used(folder: Path, tmp_path: Path, damage: str) -> None:
    place = tmp_path / "model"
    reason = "does not exist"
    if damage != "missing":
        words = tiny.tokenizer()
        model = tiny.speaker(words)
        if damage == "no number":
            model.model.embed_tokens.weight[:] = float("nan")
            reason = "computed NaN"
        tiny.save(model, words, place)
        if damage == "no weights":
            (place / "model.safetensors").unlink()
            reason = "safetensors"
    engine = TorchEngine(plan(place))
    with pytest.raises(WorkerFailed, match=reason) as failed:
        await engine.start()
    assert failed.value.details["model_id"] == "tiny"
    assert not engine.alive
    await engine.stop()


async def test_a_long_text_is_rendered_while_others_are_answered(engine: TorchEngine) -> None:
    prompt = await engine.render([Turn(Role.USER, QUESTION)])
    stream = engine.generate(request(prompt, max_new_tokens=300, ignore_eos=True))
    await anext(stream)
    rendering = asyncio.create_task(engine.render([Turn(Role.USER, "long text 你好 " * 200_000)]))
    n_deltas = 0
    async for event in stream:
        n_deltas += isinstance(event, Delta)
        if n_deltas == 5:
            break
    assert not rendering.done()
    await stream.aclose()

    async def idle() -> bool:
        return await engine.busy() == 0

    await until(idle, 1.0)  # the cancellation did not wait for the text either
    assert (await rendering).n_tokens > 1_000_000


async def test_a_cleaner_has_the_text_before_stop_strings_do(engine: TorchEngine) -> None:
    class Shouting:
        def __init__(self) -> None:
            self.held = ""

        def push(self, text: str) -> str:
            out, self.held = self.held + text[:-1], text[-1:]
            return out.upper()

        def flush(self) -> str:
            return self.held.upper() + "!"

    family: Any = replace(PLAIN, stop=(), cleaner=Shouting)
    shouting = with_format(engine, family)
    whole = await ask(shouting, "x", max_new_tokens=12, ignore_eos=True)
    assert whole.text == whole.text.upper()
    assert whole.text.endswith("!")
    assert sum(delta.n_tokens for delta in whole.deltas) == 12
    cut = await ask(shouting, "x", max_new_tokens=12, ignore_eos=True, stop=(whole.text[8:11],))
    assert cut.text == whole.text[: whole.text.index(whole.text[8:11])]
    assert isinstance(cut.finished, Finished)


async def test_a_worker_that_cannot_hear_ends(engine: TorchEngine) -> None:
    stream = engine.generate(request(await engine.render([Turn(Role.USER, QUESTION)]), ignore_eos=True))
    await anext(stream)
    assert engine._client is not None
    engine._client._send({"op": "generate", "id": 99, "sampling": {"temperature": "warm"}})
    with pytest.raises(WorkerDied, match="exit code 1"):
        [event async for event in stream]
