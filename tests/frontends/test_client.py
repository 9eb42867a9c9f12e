"""The client against the real API: each route of ``/api`` has a method, and each method does what it says."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from app.engine.scripted import Reply, rules
from app.main import create_app
from frontends.client import ApiError, ParleyClient
from frontends.server_events import ServerEvent, parse_events
from tests.support import fake_api, servers

SCRIPT = rules(("slow", Reply.of("word " * 400, delay_ms=20)))


class Recording:
    """Notes each request and passes it on."""

    def __init__(self, app: ASGIApp, seen: list[tuple[str, str]]) -> None:
        self._app, self._seen = app, seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._seen.append((scope["method"], scope["path"]))
        await self._app(scope, receive, send)


@pytest.fixture
def seen() -> list[tuple[str, str]]:
    """Method and path of each request that the server got."""
    return []


@pytest.fixture
def server(tmp_path: Path, seen: list[tuple[str, str]]) -> Iterator[servers.Api]:
    settings = servers.scripted_settings(tmp_path)
    app = create_app(settings, servers.scripted_engines(SCRIPT))
    app.add_middleware(Recording, seen=seen)
    with servers.running(app, settings) as running:
        yield running


@pytest.fixture
async def client(server: servers.Api) -> AsyncIterator[ParleyClient]:
    found = ParleyClient(server.url)
    yield found
    await found.aclose()


async def reply_of(client: ParleyClient, answer: dict[str, Any]) -> dict[str, Any]:
    """The reply that `answer` began, once it has ended."""
    conversation_id, reply_id = answer["reply"]["conversation_id"], answer["reply"]["id"]
    async for event in client.events(conversation_id):
        running = [r["message_id"] for r in event.data.get("running", [])]
        if (event.name == "snapshot" and reply_id not in running) or event.name in ("finished", "error"):
            break
    messages = (await client.conversation(conversation_id))["messages"]
    return next(m for m in messages if m["id"] == reply_id)


async def talk(client: ParleyClient) -> None:
    """Every method of messages."""
    made = await client.create_conversation({"title": "First"})
    first = await client.send(made["id"], None, "Hello", sampling={"temperature": 0.5}, model_id="test")
    reply = await reply_of(client, first)
    assert reply["content"] == "You said: Hello"
    assert reply["provenance"]["sampling"]["temperature"] == 0.5
    edited = await reply_of(client, await client.edit(first["question"]["id"], "Hi"))
    assert edited["content"] == "You said: Hi"
    again = await reply_of(client, await client.regenerate(reply["id"], sampling={"seed": 7}))
    assert again["provenance"]["sampling"]["seed"] == 7
    assert (await client.rate(again["id"], {"verdict": "up"}))["verdict"] == "up"
    slow = await client.send(made["id"], again["id"], "slow")
    stopped = await client.stop(slow["reply"]["id"])
    assert stopped["state"] == "cancelled"
    continued = await client.continue_reply(slow["reply"]["id"])
    assert continued["reply"]["continues_id"] == slow["reply"]["id"]
    await client.stop(continued["reply"]["id"])


async def judge(client: ParleyClient) -> None:
    """Every method of feedback but the rating of :func:`talk`, and of datasets."""
    made = await client.create_conversation({"title": "Judged"})
    compared = await client.compare(
        made["id"], {"content": "Hello", "contenders": [{"model_id": "test"}, {"model_id": "test"}]}
    )
    for reply in compared["replies"]:
        await reply_of(client, {"reply": reply})
    items = [{"message_id": reply["id"], "rank": n} for n, reply in enumerate(compared["replies"], 1)]
    ranked = await client.rank({"source": "side_by_side", "items": items})
    assert (await client.withdraw_ranking(ranked["id"]))["withdrawn"] is True
    first = items[0]["message_id"]
    assert (await client.correct(first, "What it should have said."))["message"]["corrects_id"] == first
    assert (await client.preview_dataset({"formats": ["trl_pairs"]}))["formats"]["trl_pairs"]["rows"] == 1
    job = await client.build_dataset("tea", {"formats": ["trl_pairs"], "validation_share": 0, "test_share": 0})
    async with aclosing(client.job_events()) as events:
        async for event in events:
            jobs = [*event.data.get("items", []), event.data.get("job") or {}]
            if any(each.get("id") == job["id"] and each["state"] == "done" for each in jobs):
                break
    assert [each["name"] for each in (await client.datasets())["items"]] == ["tea"]
    assert (await client.dataset("tea"))["rows"] == {"trl_pairs": 1}
    assert [each["datasets"] for each in await client.judgements(first)] == [[], ["tea"]]
    card = b"".join([piece async for piece in client.dataset_file("tea", "README.md")])
    assert card.startswith(b"---\npretty_name")
    assert b"".join([piece async for piece in client.dataset_archive("tea")]).startswith(b"PK")
    await client.delete_dataset("tea")
    with pytest.raises(ApiError) as refused:
        await client.dataset("tea")
    assert refused.value.code == "dataset_not_found"
    await review(client)
    await client.delete_conversation(made["id"])
    await client.forget_job(job["id"])


async def review(client: ParleyClient) -> None:
    """Every method of the review."""
    [correction] = (await client.feedback_judgements(kind="correction", limit=5))["items"]
    assert (await client.feedback_judgement(correction["id"]))["rows"] == ["pair", "ranking", "demonstration"]
    assert (await client.review(correction["id"], "excluded", "A test"))["note"] == "A test"
    assert (await client.feedback_statistics())["decisions"]["excluded"] == 1
    assert (await client.leaderboard(blind=True))["groups"] == []


async def keep(client: ParleyClient) -> None:
    """Every method of conversations."""
    [conversation] = (await client.conversations())["items"]
    found = (await client.conversations(query="Hello"))["items"]
    assert [hit["id"] for hit in found] == [conversation["id"]]
    renamed = await client.update_conversation(conversation["id"], {"title": "Renamed"})
    assert renamed["title"] == "Renamed"
    assert (await client.export_conversation(conversation["id"])).startswith("# Renamed\n")
    assert '"Renamed"' in await client.export_conversation(conversation["id"], "json")
    await client.delete_conversation(conversation["id"])
    assert (await client.conversations())["items"] == []
    assert (await client.restore_conversation(conversation["id"]))["id"] == conversation["id"]
    archive = b"".join([piece async for piece in client.export_all()])
    copy = await client.import_file(archive)
    assert len(copy["report"]["conversations"]) == 1
    await client.delete_conversation(copy["id"])
    imported = await client.import_file(b'{"messages": [{"role": "user", "content": "From elsewhere"}]}')
    await client.import_file(b'{"prompt": "q", "chosen": "a", "rejected": "b"}', name="pairs.json")
    assert await client.imported_files() == [{"name": "pairs.json", "rows": 1}]
    assert await client.remove_imported_file("pairs.json") == 1
    page = await client.conversations(limit=1)
    assert (page["items"][0]["id"], bool(page["next_cursor"])) == (imported["id"], True)
    rest = await client.conversations(limit=1, cursor=page["next_cursor"])
    assert [item["id"] for item in rest["items"]] == [conversation["id"]]


async def manage(client: ParleyClient) -> None:
    """Every method of models."""
    assert "test" in [model["id"] for model in (await client.models())["items"]]
    async with aclosing(client.model_events()) as events:
        first = await anext(events)
    assert (first.name, "test" in [model["id"] for model in first.data["items"]]) == ("models", True)
    await client.load_model("test")
    assert (await client.model("test"))["state"] == "loaded"
    await client.unload_model("test")
    assert (await client.model("test"))["state"] == "ready"
    with pytest.raises(ApiError) as refused:
        await client.pull_model("no such model")
    assert (refused.value.status, refused.value.code) == (404, "model_not_found")
    with pytest.raises(ApiError) as refused:
        await client.pull_by_name("no reference")
    assert refused.value.details["reason"] == "reference"
    await client.cancel_pull("test")


async def work(client: ParleyClient) -> None:
    """Every method of jobs, and what starts them."""
    await client.pull_model("test")  # which has nothing to download
    async with aclosing(client.job_events()) as events:
        async for event in events:
            jobs = event.data.get("items") or [event.data["job"]] if event.name in ("jobs", "job") else []
            if jobs and jobs[0]["state"] == "done":
                break
    [job] = (await client.jobs())["items"]
    assert (await client.job(job["id"]))["log"]
    for refuse in (client.cancel_job, client.resume_job):
        with pytest.raises(ApiError) as refused:
            await refuse(job["id"])
        assert refused.value.status == 409
    await client.forget_job(job["id"])
    assert (await client.jobs())["items"] == []
    with pytest.raises(ApiError) as refused:
        await client.convert_model("test", "q8_0")
    assert refused.value.code == "invalid_import"
    with pytest.raises(ApiError) as refused:
        await client.import_model("/nowhere")
    assert refused.value.code == "invalid_import"


async def sign(client: ParleyClient) -> None:
    """There are no accounts here, so only administrators' routes answer; the others are tried with accounts."""
    assert (await client.session())["user"]["role"] == "admin"
    link = await client.invite("admin", note="Ann", valid_hours=1)
    token = link["path"].partition("#")[2]
    assert (await client.look_at_link(token))["kind"] == "invitation"
    await client.withdraw_link(link["id"])
    assert await client.users() == {"users": [], "links": []}
    assert [entry["action"] for entry in await client.audit()] == ["link_withdrawn", "invited"]
    refused = {
        "not_allowed": [
            client.account(),
            client.change_account({"name": "Ann"}),
            client.change_password("old", "new"),
            client.sessions(),
            client.end_session("1"),
            client.end_other_sessions(),
            client.keys(),
            client.add_key("notes"),
            client.revoke_key("1"),
        ],
        "user_not_found": [
            client.change_user("1", {"name": "Ann"}),
            client.reset_password("1"),
            client.sign_user_out("1"),
        ],
        "wrong_password": [client.sign_in("ann", "secret")],
        "link_not_found": [client.use_link(token, "secret", username="ann")],
    }
    for code, calls in refused.items():
        for call in calls:
            with pytest.raises(ApiError) as found:
                await call
            assert found.value.code == code
    await client.sign_out()


async def share(client: ParleyClient) -> None:
    conversation = await client.create_conversation()
    await reply_of(client, await client.send(conversation["id"], None, "hello"))
    made = await client.share(conversation["id"], {"passcode": "1234", "valid_hours": 1})
    token = made["path"].rpartition("/")[2]
    with pytest.raises(ApiError) as refused:
        await client.open_share(token)
    assert refused.value.code == "passcode_needed"
    assert [m["role"] for m in (await client.open_share(token, "1234"))["messages"]] == ["user", "assistant"]
    assert [link["id"] for link in await client.shares(conversation["id"])] == [made["id"]]
    await client.withdraw_share(made["id"])
    assert await client.shares(conversation["id"]) == []


@pytest.mark.anyio
async def test_each_route_has_a_method_that_works(
    server: servers.Api, client: ParleyClient, seen: list[tuple[str, str]]
) -> None:
    assert (await client.info())["default_model_id"] == "test"
    await talk(client)
    await judge(client)
    await keep(client)
    await manage(client)
    await work(client)
    await sign(client)
    await share(client)
    schema = server.http.get("/openapi.json").json()["paths"]
    routes = {
        (method.upper(), path) for path, methods in schema.items() if path.startswith("/api/") for method in methods
    }
    called = {(method, matching(path, schema)) for method, path in seen if path.startswith("/api/")}
    assert len(routes) > 20
    assert routes == called


def matching(path: str, templates: dict[str, Any]) -> str:
    """The route that a path calls; of several the one with the fewest parameters."""
    found = [t for t in templates if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", t), path)]
    return min(found, key=lambda template: template.count("{"))


@pytest.mark.anyio
async def test_ids_are_one_segment_of_the_path(client: ParleyClient, seen: list[tuple[str, str]]) -> None:
    with pytest.raises(ApiError):
        await client.conversation("../models")
    assert seen == [("GET", "/api/conversations/../models")]


@pytest.mark.anyio
async def test_answers_that_are_not_the_apis(api_url: str) -> None:
    client = ParleyClient(api_url)
    with pytest.raises(ApiError) as refused:
        await client.models()
    assert (refused.value.status, refused.value.code) == (502, "unexpected_answer")
    await client.aclose()


@pytest.mark.anyio
async def test_an_endless_event_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("frontends.server_events._EVENT_LIMIT", 100)

    async def chunks() -> AsyncIterator[bytes]:
        yield fake_api.event("one", {})
        yield b"data: " + b"x" * 100

    events = parse_events(chunks())
    assert await anext(events) == ServerEvent(None, "one", {})
    with pytest.raises(ValueError, match="no end"):
        await anext(events)
