"""Models with several variants, and their adapters, over HTTP: listed, asked, stored."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.generation import GenerationRequest
from app.engine.base import Capabilities, EngineFactory, LoadPlan
from app.engine.scripted import Reply, ScriptedEngine
from app.main import create_app
from app.models.memory import MemoryBudget, gpus
from app.models.memory.snapshot import Amount
from tests.support.fake_hub import FakeHub
from tests.support.fake_machine import FakeMachine
from tests.support.safetensors_files import write_llama, write_lora
from tests.support.servers import Api, running, scripted_settings
from tests.weights.fetching.repos import large_gguf

SEEN: list[GenerationRequest] = []
QKV = {"model.layers.0.self_attn.q_proj": (8, 8)}


class Engine(ScriptedEngine):
    """Says how it was loaded, and which adapter answers."""

    def __init__(self, plan: LoadPlan) -> None:
        super().__init__(
            lambda request: SEEN.append(request) or Reply.of(f"{plan.quantization} {request.adapter}"),
            context_tokens=plan.context_tokens,
            slots=plan.slots,
        )
        self.plan = plan

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(self.plan.context_tokens, self.plan.slots, tuple(self.plan.adapters))


@pytest.fixture
def built() -> list[LoadPlan]:
    return []


@pytest.fixture
def api(tmp_path: Path, built: list[LoadPlan]) -> Iterator[Api]:
    write_llama(tmp_path / "store" / "weights" / "tiny")
    write_lora(tmp_path / "store" / "adapters" / "polite", "x/tiny", QKV)
    write_lora(tmp_path / "store" / "adapters" / "bad", "x/tiny", {"model.layers.0.self_attn.q_proj": (4, 4)})

    def build(plan: LoadPlan) -> Engine:
        built.append(plan)
        return Engine(plan)

    settings = scripted_settings(tmp_path, model="tiny", chatglm_api=True)
    factories = {
        "torch": EngineFactory("torch", build),
        "scripted": EngineFactory("scripted", lambda _: ScriptedEngine(lambda _: Reply.of("x"))),
    }
    with running(create_app(settings, factories), settings) as found:
        yield found


def item(api: Api, model_id: str) -> dict[str, Any]:
    return next(m for m in api.http.get("/api/models").json()["items"] if m["id"] == model_id)


def test_the_list_tells_every_variant_before_anything_is_loaded(api: Api, built: list[LoadPlan]) -> None:
    tiny = item(api, "tiny")
    ways = {way["name"]: way for way in tiny["quantizations"]}
    assert [(way["name"], way["id"], way["default"]) for way in tiny["quantizations"]] == [
        ("none", "tiny", True),
        ("int8", "tiny@int8", False),
        ("nf4", "tiny@nf4", False),
    ]
    assert all(way["fits"] and way["state"] == "ready" and way["error"] is None for way in ways.values())
    assert tiny["memory_bytes"] == ways["none"]["memory_bytes"] > ways["nf4"]["memory_bytes"]
    polite = {"name": "polite", "title": "polite", "usable": True, "detail": ""}
    bad = next(adapter for adapter in tiny["adapters"] if adapter["name"] == "bad")
    assert polite in tiny["adapters"]
    assert not bad["usable"]
    assert "made for another model" in bad["detail"]
    assert tiny["default"]
    assert not tiny["fetchable"]
    assert item(api, "test")["quantizations"] == []
    assert built == []


@pytest.mark.parametrize("limit", [256, 4096])
def test_the_context_that_is_told_is_the_one_that_a_chat_gets(tmp_path: Path, limit: int) -> None:
    write_llama(tmp_path / "store" / "weights" / "tiny", max_position_embeddings=2048)
    plans: list[LoadPlan] = []

    def build(plan: LoadPlan) -> Engine:
        plans.append(plan)
        return Engine(plan)

    settings = scripted_settings(tmp_path, model="tiny", context_tokens=limit)
    with running(create_app(settings, {"torch": EngineFactory("torch", build)}), settings) as api:
        told = item(api, "tiny")["context_tokens"]
        api.http.post("/api/models/tiny/load").raise_for_status()
    assert told == plans[0].context_tokens == min(limit, 2048)


def test_models_on_a_gpu_are_told_with_its_memory(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    gib = 1 << 30
    machine = FakeMachine(Amount(64 * gib, 16 * gib), gpu=True)
    budget = MemoryBudget(machine=machine)
    monkeypatch.setattr(api.parts.models.catalog, "budget", budget)
    before = api.http.get("/api/models").json()["memory"]
    assert before == {
        "total_bytes": 64 * gib,
        "available_bytes": 64 * gib,
        "gpu": {"total_bytes": 16 * gib, "available_bytes": 16 * gib},
    }
    assert {item(api, "tiny")["device"], item(api, "smollm2-135m-instruct")["device"]} == {"cpu"}
    monkeypatch.setattr(gpus, "has_gpu", lambda: True)
    api.parts.models.catalog.cache()  # nobody plugs a GPU into a running server
    tiny = item(api, "tiny")
    assert (tiny["device"], tiny["fits"]) == ("gpu", True)
    assert item(api, "smollm2-135m-instruct")["device"] == "cpu"
    machine.others = Amount(vram=16 * gib)
    assert item(api, "tiny")["fits"] is False
    machine.others = Amount(vram=16 * gib - tiny["memory_bytes"])
    assert item(api, "tiny")["fits"] is True


def test_one_look_at_the_machine_serves_a_whole_listing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = FakeMachine(Amount(1 << 36))
    budget = MemoryBudget(machine=machine)
    budget.read()
    monkeypatch.setattr(api.parts.models.catalog, "budget", budget)
    machine.readings = 0
    assert len(api.http.get("/api/models").json()["items"]) > 1
    assert machine.readings == 1


def test_the_openai_list_tells_them_too(api: Api) -> None:
    found = {m["id"]: m for m in api.http.get("/v1/models").json()["data"]}
    assert found["tiny"]["quantizations"] == ["none", "int8", "nf4"]
    assert found["tiny"]["adapters"] == ["bad", "polite"]
    assert found["test"]["quantizations"] == found["test"]["adapters"] == []


def test_load_and_unload_one_way(api: Api) -> None:
    assert api.http.post("/api/models/tiny@nf4/load").status_code == 204
    assert {w["name"]: w["state"] for w in item(api, "tiny")["quantizations"]} == {
        **{"none": "ready", "int8": "ready", "nf4": "loaded"}
    }
    assert api.http.get("/api/models/tiny@nf4").json()["state"] == "loaded"
    assert api.http.post("/api/models/tiny@nf4/unload").status_code == 204
    refused = api.http.post("/api/models/tiny@int3/load")
    assert refused.status_code == 404
    assert "available: none, int8, nf4" in refused.json()["error"]["message"]


def test_a_conversation_keeps_the_whole_reference(api: Api, built: list[LoadPlan]) -> None:
    made = api.conversation(model_id="tiny@nf4+polite")
    first = api.answer(made, "one")
    assert first["content"] == "nf4 polite"
    assert first["model_id"] == "tiny@nf4+polite"
    origin = first["provenance"]
    assert (origin["model_id"], origin["quantization"], origin["adapter"]) == ("tiny@nf4", "nf4", "polite")
    assert api.http.get(f"/api/conversations/{made}").json()["model_id"] == "tiny@nf4+polite"
    # Another adapter, or none: the base stays as it is loaded.
    assert api.http.patch(f"/api/conversations/{made}", json={"model_id": "tiny@nf4"}).status_code == 200
    second = api.answer(made, "two", first["id"])
    assert (second["content"], second["model_id"]) == ("nf4 None", "tiny@nf4")
    assert len(built) == 1
    again = api.http.post(f"/api/messages/{first['id']}/regenerate", json={"model_id": "tiny+polite"}).json()["reply"]
    assert api.finished(made, again["id"])["content"] == "none polite"
    resumed = api.http.post(f"/api/messages/{first['id']}/continue").json()["reply"]
    assert resumed["model_id"] == "tiny@nf4+polite"
    assert len(built) == 2


@pytest.mark.parametrize(
    ("reference", "status"), [("tiny+rude", 404), ("tiny@int4", 404), ("tiny+bad", 409), ("a@", 404), ("x" * 200, 422)]
)
def test_refused_before_anything_is_written(api: Api, reference: str, status: int) -> None:
    made = api.conversation()
    body = {"content": "x", "parent_id": None, "model_id": reference}
    assert api.http.post(f"/api/conversations/{made}/messages", json=body).status_code == status
    assert api.messages(made) == {}


def test_openai_clients_choose_the_same_way(api: Api) -> None:
    body = {"model": "tiny@int8+polite", "messages": [{"role": "user", "content": "x"}]}
    answer = api.http.post("/v1/chat/completions", json=body).json()
    assert answer["choices"][0]["message"]["content"] == "int8 polite"
    assert answer["model"] == "tiny@int8+polite"


def test_chatglms_own_service(api: Api, built: list[LoadPlan]) -> None:
    answer = api.http.post("/", json={"prompt": "x", "history": [["a", "b"]]}).json()
    assert answer["response"] == "none None"
    asked = SEEN[-1].sampling
    assert (asked.temperature, asked.top_p, asked.top_k, asked.min_p) == (0.95, 0.7, 50, 0)
    assert asked.repetition_penalty == 1
    assert api.http.post("/", json={"prompt": "x", "history": None, "max_length": 10**6}).status_code == 200
    assert answer["history"] == [["a", "b"], ["x", "none None"]]
    assert answer["status"] == 200


def test_an_engine_that_is_not_installed_is_told_in_the_list(tmp_path: Path) -> None:
    write_llama(tmp_path / "store" / "weights" / "tiny")
    settings = scripted_settings(tmp_path)
    engines = {
        "torch": EngineFactory("torch", Engine, extra="torch", requires=("surely_not_installed",)),
        "scripted": EngineFactory("scripted", lambda _: ScriptedEngine(lambda _: Reply.of("x"))),
    }
    with running(create_app(settings, engines), settings) as api:
        tiny = item(api, "tiny")
        assert tiny["state"] == "failed"
        assert tiny["error"]["code"] == "missing_extra"
        assert tiny["error"]["details"] == {"extra": "torch"}
        assert {way["state"] for way in tiny["quantizations"]} == {"failed"}
        assert api.http.post("/api/models/tiny/load").status_code == 501


# -- any model of the hub, by its name --------------------------------------------------------------

GGUF = "Tiny-Q4_0.gguf"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with FakeHub() as found:
        found.use(monkeypatch, tmp_path)
        found.add("tiny/Tiny-GGUF", {GGUF: large_gguf()})
        found.add("tiny/many", {GGUF: b"123", "Tiny-Q8_0.gguf": b"12345"})
        yield found


def until(api: Api, model_id: str, *states: str) -> dict[str, Any]:
    for _ in range(600):
        found = item(api, model_id)
        if found["state"] in states:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{model_id} is {found['state']}")


def test_by_name_it_is_listed_at_once(api: Api, hub: FakeHub) -> None:
    hub.pause_s = 0.01
    started = api.http.post("/api/models/pull", json={"source": "hub:tiny/Tiny-GGUF"})
    assert (started.status_code, started.json()) == (202, {"id": "tiny-q4_0"})
    coming = item(api, "tiny-q4_0")
    assert (coming["state"], coming["fetchable"], coming["size_bytes"]) == ("fetching", True, len(large_gguf()))
    assert coming["progress"]["phase"] == "downloading"
    assert set(coming["progress"]) == {"phase", "done_bytes", "total_bytes"}
    assert api.http.get("/api/models/tiny-q4_0").json()["state"] == "fetching"
    done = until(api, "tiny-q4_0", "ready", "failed")
    assert done["progress"] is None


def test_by_name_a_failure_stays_to_be_tried_again_and_a_cancel_forgets(api: Api, hub: FakeHub) -> None:
    hub.changed[GGUF] = large_gguf(7)
    api.http.post("/api/models/pull", json={"source": "hub:tiny/Tiny-GGUF"})
    failed = until(api, "tiny-q4_0", "not_fetched")
    assert failed["error"]["code"] == "damaged_weights"
    assert failed["error"]["details"]["reason"] == "wrong"
    hub.changed.clear()
    hub.pause_s = 0.2
    assert api.http.post("/api/models/tiny-q4_0/pull").status_code == 202
    assert item(api, "tiny-q4_0")["error"] is None
    assert api.http.delete("/api/models/tiny-q4_0/pull").status_code == 204
    for _ in range(500):
        if all(m["id"] != "tiny-q4_0" for m in api.http.get("/api/models").json()["items"]):
            break
        time.sleep(0.02)
    assert api.http.get("/api/models/tiny-q4_0").status_code == 404


@pytest.mark.parametrize(
    ("source", "status", "code", "reason"),
    [
        ("hub:tiny/many", 422, "invalid_import", "several"),
        ("hub:tiny/many:none.gguf", 422, "invalid_import", "no_file"),
        ("hub:tiny/nothing", 502, "fetch_failed", "repo"),
        ("hub:tiny/many@v9", 502, "fetch_failed", "revision"),
        ("hub:../many", 404, "model_not_found", "reference"),
        ("http://elsewhere/a/b", 404, "model_not_found", "reference"),
        ("hub:a/b/../c", 404, "model_not_found", "reference"),
    ],
)
def test_by_name_what_can_not_be_had(api: Api, hub: FakeHub, source: str, status: int, code: str, reason: str) -> None:
    answer = api.http.post("/api/models/pull", json={"source": source})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["details"]["reason"]) == (status, code, reason)
    assert {m["id"] for m in api.http.get("/api/models").json()["items"]} >= {"tiny", "test"}
    if reason == "several":
        assert [file["path"] for file in error["details"]["files"]] == [GGUF, "Tiny-Q8_0.gguf"]
    if status == 404:
        assert hub.asked == []


def test_code_in_a_folder_is_named(api: Api, tmp_path: Path) -> None:
    (tmp_path / "store" / "weights" / "tiny" / "modeling_x.py").write_text("raise SystemExit")
    assert item(api, "tiny")["ignored"] == ["modeling_x.py"]
    assert item(api, "test")["ignored"] == []
