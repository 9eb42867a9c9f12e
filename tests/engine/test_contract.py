"""The contract, kept by every engine."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.engine.base import LoadPlan
from app.engine.llama_cpp.client import WorkerClient
from app.engine.llama_cpp.engine import LlamaCppEngine
from app.engine.openai import OpenAIEngine
from app.engine.scripted import Reply, ScriptedEngine, babble, rules, tokens
from app.engine.templates.native_format import native_format
from app.engine.templates.renderer import TemplateRenderer
from app.engine.torch.engine import TorchEngine
from app.engine.worker_process import WorkerProcess
from app.families.base import Family
from app.models.manifest import Manifest
from tests.engine import fake_upstream
from tests.engine.engine_contract import EngineContract, Subject

pytestmark = pytest.mark.anyio
CONTEXT, SLOTS = 1024, 2
NATIVE = Family("native", "Native", None)


@asynccontextmanager
async def scripted() -> AsyncIterator[Subject]:
    script = rules(("Repeat", Reply.byte_by_byte("你好😀 ñ龘 안녕 👩‍🚀")), otherwise=babble(40, delay_ms=1))
    running = 0

    class Counted(ScriptedEngine):
        async def generate(self, request: Any) -> Any:  # type: ignore[override]
            nonlocal running
            running += 1
            try:
                async for event in super().generate(request):
                    yield event
            finally:
                running -= 1

    async def busy() -> int:
        return running

    engine = Counted(script, context_tokens=CONTEXT, slots=SLOTS)
    await engine.start()
    yield Subject(engine, busy)
    await engine.stop()


@asynccontextmanager
async def llama_cpp(weights: Path) -> AsyncIterator[Subject]:
    manifest = Manifest(id="tiny", title="Tiny", family="native", engine="llama_cpp")
    renderer = TemplateRenderer()
    plan = LoadPlan(manifest, NATIVE, weights, CONTEXT, SLOTS, 2, native=native_format(renderer, weights))
    engine = LlamaCppEngine(plan)
    await engine.start()

    async def busy() -> int:
        return await slots_busy(engine._client)

    yield Subject(engine, busy, caches_prefixes=True)
    await engine.stop()
    await renderer.close()


@asynccontextmanager
async def torch_engine(folder: Path) -> AsyncIterator[Subject]:
    manifest = Manifest(id="tiny", title="Tiny", family="native", engine="torch")
    renderer = TemplateRenderer()
    plan = LoadPlan(manifest, NATIVE, folder, CONTEXT, SLOTS, 2, native=native_format(renderer, folder))
    engine = TorchEngine(plan)
    await engine.start()
    yield Subject(engine, engine.busy, caches_prefixes=True)
    await engine.stop()
    await renderer.close()


@asynccontextmanager
async def openai_real(weights: Path) -> AsyncIterator[Subject]:
    """Our own worker's /v1 as an upstream that is not ours."""
    key = "upstream-key"
    child = WorkerProcess(
        "app.engine.llama_cpp.worker",
        {"weights": str(weights), "key": key, "slots": SLOTS, "context_tokens": CONTEXT, "threads": 2, "cache_mib": 64},
    )
    address = str((await child.start())["address"])
    client = WorkerClient("127.0.0.1", int(address.rsplit(":", 1)[1]), key)

    async def busy() -> int:
        return await slots_busy(client)

    async with upstream_subject(f"{address}/v1", key, busy) as subject:
        subject.caches_prefixes = True
        yield subject
    await child.stop()


@asynccontextmanager
async def openai_fake() -> AsyncIterator[Subject]:
    """An upstream that knows no stop strings and cuts bytes and surrogate pairs anywhere."""
    async with fake_upstream.serving(careless_answer) as upstream:

        async def busy() -> int:
            return upstream.open_connections

        async with upstream_subject(upstream.base_url, "fake-key", busy) as subject:
            yield subject


async def careless_answer(body: dict[str, Any], send: fake_upstream.Send) -> None:
    question = body["messages"][-1]["content"]
    n_prompt = sum(len(tokens(m["content"])) for m in body["messages"])
    if n_prompt > CONTEXT:
        await fake_upstream.refuse(send, 400, {"error": {"message": "too long", "code": "context_length_exceeded"}})
        return
    chance = random.Random(body["seed"] if body["temperature"] else 0)
    await send(fake_upstream.HEAD)
    for _ in range(body["max_tokens"]):
        text = chance.choice("你好😀ñ龘안🚀") if "Repeat" in question else chance.choice(["river ", "stone ", "boat "])
        for half in utf16_halves(text):
            raw = json.dumps(fake_upstream.piece(half)).encode() if half == text else surrogate_json(half)
            for byte in split(b"data: " + raw + b"\r\n\r\n", chance):
                await send(byte)
        await asyncio.sleep(0.002)
    n_deltas = body["max_tokens"]
    await send(fake_upstream.event(fake_upstream.piece("", "length")))
    await send(fake_upstream.event(fake_upstream.usage(n_prompt, n_deltas)))
    await send(b"data: [DONE]\n\n")


def utf16_halves(text: str) -> list[str]:
    if ord(text[0]) < 0x10000:
        return [text]
    units = text.encode("utf-16-be")
    return [units[i : i + 2].decode("utf-16-be", "surrogatepass") for i in range(0, len(units), 2)]


def surrogate_json(half: str) -> bytes:
    return json.dumps(fake_upstream.piece(half)).encode()  # \ud83d: valid JSON, half a character


def split(data: bytes, chance: random.Random) -> list[bytes]:
    at = chance.randrange(1, len(data))
    return [data[:at], data[at:]]


@asynccontextmanager
async def upstream_subject(base_url: str, key: str, busy: Any) -> AsyncIterator[Subject]:
    os.environ["PARLEY_TEST_UPSTREAM_KEY"] = key
    # A real model on a busy machine may be silent for longer than the usual 5 s.
    plan = fake_upstream.plan(base_url, api_key_env="PARLEY_TEST_UPSTREAM_KEY", context_tokens=CONTEXT, timeout_s=60)
    engine = OpenAIEngine(plan)
    await engine.start()
    yield Subject(engine, busy, counts_exactly=False)
    await engine.stop()
    del os.environ["PARLEY_TEST_UPSTREAM_KEY"]


async def slots_busy(client: WorkerClient) -> int:
    slots: Any = await client.get("/slots")
    return sum(slot["is_processing"] for slot in slots)


@pytest.fixture(scope="module")
def speaking_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder with a tiny model that says whole words and characters."""
    pytest.importorskip("torch", reason="the extra `torch` is not installed")
    from tests.torch.engine import tiny

    words = tiny.tokenizer()
    return tiny.save(tiny.speaker(words), words, tmp_path_factory.mktemp("speaker"))


@pytest.fixture(scope="module", params=["scripted", "openai_fake", "llama_cpp", "openai_real", "torch"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param in ("llama_cpp", "openai_real"):
        weights: Path = request.getfixturevalue("default_weights")
        making = llama_cpp(weights) if request.param == "llama_cpp" else openai_real(weights)
    elif request.param == "torch":
        making = torch_engine(request.getfixturevalue("speaking_folder"))
    else:
        making = scripted() if request.param == "scripted" else openai_fake()
    async with making as made:
        yield made


class TestContract(EngineContract):
    pass
