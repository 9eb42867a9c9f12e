"""LoRA adapters over the embedded model, on a real server: conversations with different ones share one worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import DEFAULT_WEIGHTS
from tests.support.files import place
from tests.support.lora_files import SMOLLM2, random_lora
from tests.support.processes import ServerProcess, serving

pytestmark = pytest.mark.timeout(180)
MODEL = "smollm2-135m-instruct"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, default_weights: Path) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("adapters")
    place(default_weights, folder / "store" / DEFAULT_WEIGHTS)
    adapters = folder / "store" / "adapters"
    random_lora(adapters / "polite", "HuggingFaceTB/SmolLM2-135M-Instruct", SMOLLM2, 1)
    random_lora(adapters / "rude", "HuggingFaceTB/SmolLM2-135M-Instruct", SMOLLM2, 2)
    random_lora(adapters / "dora", "HuggingFaceTB/SmolLM2-135M-Instruct", SMOLLM2, 3, use_dora=True)
    with serving(folder, "--model", MODEL, PARLEY_SLOTS="2", PARLEY_CONTEXT_TOKENS="512") as running:
        running.http.timeout = httpx.Timeout(120)
        yield running


def complete(server: ServerProcess, adapter: str, *turns: str) -> str:
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(turns)]
    model = f"{MODEL}+{adapter}" if adapter else MODEL
    body: dict[str, Any] = {"model": model, "messages": messages, "max_tokens": 8, "temperature": 0}
    answer = server.http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"] == model
    return str(answer.json()["choices"][0]["message"]["content"])


def test_two_conversations_with_different_adapters_share_one_worker(server: ServerProcess) -> None:
    first = {name: complete(server, name, "What is a boat?") for name in ("polite", "", "rude")}
    assert len(set(first.values())) == 3
    (worker,) = server.workers
    for name in ("rude", "", "polite"):
        assert complete(server, name, "What is a boat?") == first[name]
    turns = ("What is a boat?", first["polite"], "And a ship?")
    second = {name: complete(server, name, *turns) for name in ("rude", "polite", "")}  # the adapter changes between
    assert second["rude"] != second["polite"]
    assert [other.pid for other in server.workers] == [worker.pid]


def test_one_that_is_more_than_lora_is_told_and_refused(server: ServerProcess) -> None:
    items = {item["id"]: item for item in server.http.get("/api/models").json()["items"]}
    adapters = {adapter["name"]: adapter for adapter in items[MODEL]["adapters"]}
    assert {name: adapter["usable"] for name, adapter in adapters.items()} == {
        "dora": False,
        "polite": True,
        "rude": True,
    }
    assert "use_dora" in adapters["dora"]["detail"]
    messages = [{"role": "user", "content": "Hi"}]
    answer = server.http.post("/v1/chat/completions", json={"model": f"{MODEL}+dora", "messages": messages})
    assert answer.status_code >= 400
    assert "use_dora" in answer.text
    assert complete(server, "", "Hi")
