"""Nothing blocks the event loop: no callback computes for long, and none of them touches a file."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.main import create_app
from tests.api.conftest import SCRIPT
from tests.support.event_loop import watched
from tests.support.safetensors_files import write_llama
from tests.support.servers import Api, read_events, running, scripted_engines, scripted_settings

MAX_BLOCK_MS = 20.0
N_CALLS = 5


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A store with a few found models beside the shipped ones, and no model set: the default one is looked for."""
    folder = tmp_path_factory.mktemp("loop")
    settings = scripted_settings(folder, model="")
    for number in range(3):
        write_llama(folder / "store" / "weights" / f"tiny-{number}")
    app = create_app(settings, scripted_engines(SCRIPT))
    with running(app, settings, loop="asyncio") as found:  # uvloop's callbacks can't be watched
        yield found


@pytest.fixture(scope="module")
def loop(api: Api) -> asyncio.AbstractEventLoop:
    return loop_of(api)


def loop_of(api: Api) -> asyncio.AbstractEventLoop:
    found: asyncio.AbstractEventLoop = api.parts.models._refresh_task.get_loop()  # type: ignore[union-attr]
    return found


def send(api: Api) -> dict[str, str]:
    made = api.conversation()
    reply: dict[str, str] = api.ask(made, "hello")["reply"]
    return reply


def send_and_stop(api: Api) -> None:
    made = api.conversation()
    reply = api.ask(made, "slow")["reply"]
    assert api.http.post(f"/api/messages/{reply['id']}/stop").status_code == 200


def rate(api: Api) -> None:
    reply = send(api)
    api.finished(reply["conversation_id"], reply["id"])
    assert api.http.put(f"/api/messages/{reply['id']}/rating", json={"verdict": "up"}).status_code == 200


def watch_a_conversation(api: Api) -> None:
    reply = send(api)
    with api.http.stream("GET", f"/api/conversations/{reply['conversation_id']}/events") as response:
        names = [event.name for event in itertools.islice(read_events(response), 2)]
    assert names[0] == "snapshot"


def watch_the_models(api: Api) -> None:
    with api.http.stream("GET", "/api/models/events") as response:
        names = [event.name for event in itertools.islice(read_events(response), 2)]
    assert names[0] == "models"


def run_a_job(api: Api) -> None:
    """A download of a model that has nothing to download."""
    with api.http.stream("GET", "/api/jobs/events") as response:
        assert api.http.post("/api/models/test/pull").status_code == 202
        for event in read_events(response):
            if event.name == "job" and event.data["job"]["state"] == "done":
                job_id = event.data["job"]["id"]
                break
    assert api.http.get(f"/api/jobs/{job_id}").json()["log"]
    assert api.http.delete(f"/api/jobs/{job_id}").status_code == 204


def load_and_unload(api: Api) -> None:
    for todo in ("unload", "load"):
        assert api.http.post(f"/api/models/test/{todo}").status_code == 204


def complete(api: Api) -> None:
    body = {"model": "test", "messages": [{"role": "user", "content": "hello"}]}
    assert api.http.post("/v1/chat/completions", json=body).status_code == 200


def get(path: str) -> Callable[[Api], None]:
    def call(api: Api) -> None:
        assert api.http.get(path).status_code == 200

    return call


USES: dict[str, Callable[[Api], object]] = {
    **{path: get(path) for path in ("/api/info", "/readyz", "/api/models", "/api/models/tiny-1", "/v1/models")},
    "load": load_and_unload,
    "a completion": complete,
    "conversations": get("/api/conversations"),
    "send": send,
    "stop": send_and_stop,
    "rate": rate,
    "events of a conversation": watch_a_conversation,
    "events of the models": watch_the_models,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_nothing_blocks_the_loop(
    api: Api, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch, use: Callable[[Api], object]
) -> None:
    use(api)  # the first time modules are imported and the model is loaded
    with watched(loop, monkeypatch) as watch:
        for _ in range(N_CALLS):
            use(api)
    assert watch.blocking == []
    assert watch.longest_ms < MAX_BLOCK_MS, watch.longest


def test_a_job_blocks_it_only_to_start_its_process(
    api: Api, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_a_job(api)
    with watched(loop, monkeypatch) as watch:
        for _ in range(N_CALLS):
            run_a_job(api)
    assert [call for call in watch.blocking if "create_subprocess_exec" not in call] == []
    assert watch.longest_ms < MAX_BLOCK_MS, watch.longest


def test_the_first_request_finds_all_routes_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = scripted_settings(tmp_path)
    with running(create_app(settings, scripted_engines(SCRIPT)), settings, loop="asyncio") as api:
        with watched(loop_of(api), monkeypatch) as watch:
            get("/v1/models")(api)  # of the last router that is looked through
        assert watch.longest_ms < MAX_BLOCK_MS, watch.longest


def test_neither_does_the_look_at_the_store(
    api: Api, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that somebody drops into the store is seen within two seconds, without a request."""
    weights = Path(api.parts.settings.model_store) / "weights"
    with watched(loop, monkeypatch) as watch:
        write_llama(weights / "dropped")
        deadline = time.monotonic() + 10
        while not any(m.id == "dropped" for m in api.parts.models.ready_models()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert watch.blocking == []
    assert watch.longest_ms < MAX_BLOCK_MS, watch.longest


def test_the_watch_sees_what_blocks(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def block() -> None:
        os.listdir(tmp_path)  # noqa: PTH208 - one call of one kind
        (tmp_path / "file").write_text("x")
        (tmp_path / "file").stat()
        end = time.thread_time() + 1.5 * MAX_BLOCK_MS / 1000
        while time.thread_time() < end:
            pass

    with watched(loop, monkeypatch) as watch:
        asyncio.run_coroutine_threadsafe(block(), loop).result()
    assert [call.split()[0] for call in watch.blocking] == ["os.listdir", "open", "os.stat"]
    assert watch.longest_ms >= MAX_BLOCK_MS
