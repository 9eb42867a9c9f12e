"""The models as events: the list first, then what changes, without anybody asking again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from app.engine.base import EngineFactory
from app.engine.scripted import Reply, ScriptedEngine
from app.main import create_app
from tests.support.fake_hub import FakeHub
from tests.support.safetensors_files import write_llama
from tests.support.servers import Api, Event, read_events, running, scripted_engines, scripted_settings
from tests.weights.fetching.repos import large_gguf

GGUF = "Tiny-Q4_0.gguf"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    settings = scripted_settings(tmp_path, models=("test", "other"))
    engines = scripted_engines(lambda _: Reply.of("x"))
    engines["torch"] = EngineFactory("torch", lambda _: ScriptedEngine(lambda _: Reply.of("x")))
    with running(create_app(settings, engines), settings) as found:
        yield found


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with FakeHub() as found:
        found.use(monkeypatch, tmp_path)
        found.add("tiny/Tiny-GGUF", {GGUF: large_gguf()})
        yield found


@contextmanager
def watching(api: Api, path: str = "/api/models/events", **headers: str) -> Iterator[Iterator[Event]]:
    with httpx.Client(base_url=api.url, timeout=20) as http, http.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200
        yield read_events(response)


def until(events: Iterator[Event], wanted: Callable[[Event], bool]) -> list[Event]:
    """The events up to the one that is `wanted`."""
    seen = []
    for event in events:
        seen.append(Event(event.id, event.name, event.data))
        if wanted(event):
            return seen
    raise AssertionError([event.name for event in seen])


def tells(model_id: str, state: str) -> Callable[[Event], bool]:
    return lambda event: (
        event.name == "model" and (event.data["model"]["id"], event.data["model"]["state"]) == (model_id, state)
    )


def test_it_begins_with_the_list_as_it_is_answered(api: Api) -> None:
    with watching(api) as events:
        first = next(events)
    assert first.name == "models"
    listed = api.http.get("/api/models").json()
    assert [model["id"] for model in first.data["items"]] == [model["id"] for model in listed["items"]]
    assert set(first.data) == set(listed)


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/api/models/events?language=zh", {}), ("/api/models/events", {"Accept-Language": "zh-CN"})],
)
def test_in_the_reader_s_language(api: Api, path: str, headers: dict[str, str]) -> None:
    with watching(api, path, **headers) as events:
        models = {model["id"]: model for model in next(events).data["items"]}
    english = api.http.get("/api/models/smollm2-135m-instruct").json()
    assert models["smollm2-135m-instruct"]["description"] != english["description"]


def test_loading_and_unloading(api: Api) -> None:
    with watching(api) as events:
        next(events)
        api.http.post("/api/models/other/load")
        loaded = until(events, tells("other", "loaded"))
        assert {event.data["model"]["id"] for event in loaded if event.name == "model"} == {"other"}
        api.http.post("/api/models/other/unload")
        until(events, tells("other", "ready"))


def test_a_folder_that_is_dropped_in_and_taken_away(api: Api, tmp_path: Path) -> None:
    with watching(api) as events:
        next(events)
        folder = write_llama(tmp_path / "store" / "weights" / "tiny")
        started = time.monotonic()
        until(events, tells("tiny", "ready"))
        assert time.monotonic() - started < 10  # within two seconds, where the machine is not busy
        folder.rename(tmp_path / "elsewhere")
        until(events, lambda event: event.name == "removed" and event.data == {"id": "tiny"})


def test_a_fetch_with_its_progress(api: Api, hub: FakeHub) -> None:
    hub.pause_s = 0.05
    with watching(api) as events:
        next(events)
        api.http.post("/api/models/pull", json={"source": "hub:tiny/Tiny-GGUF"})
        seen = [event.data["model"] for event in until(events, tells("tiny-q4_0", "failed")) if event.name == "model"]
    fetching = [model["progress"]["done_bytes"] for model in seen if model["state"] == "fetching"]
    assert fetching == sorted(fetching)
    assert len(set(fetching)) > 1
    assert seen[-1]["error"]["code"] == "missing_extra"  # it is here; this server has no engine for it
    assert not seen[-1]["arriving"]


def test_silence_is_filled_with_heartbeats_and_memory(api: Api) -> None:
    with watching(api) as events:
        until(events, lambda event: event.name in ("heartbeat", "memory"))


def test_a_server_that_shuts_down_ends_the_stream(tmp_path: Path) -> None:
    settings = scripted_settings(tmp_path)
    with httpx.Client(timeout=20) as http:
        with running(create_app(settings, scripted_engines(lambda _: Reply.of("x"))), settings) as api:
            response = http.send(http.build_request("GET", f"{api.url}/api/models/events"), stream=True)
            events = read_events(response)
            assert next(events).name == "models"
        for _ in events:  # comes to an end, whatever was told before
            pass
