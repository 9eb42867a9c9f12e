"""Real servers on loopback ports, with engines that follow a script."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
from fastapi import FastAPI

from app.api.deps import Services
from app.cli import uvicorn_server
from app.cli.uvicorn_protocol import LimitedProtocol
from app.config import Settings
from app.engine.base import EngineFactory
from app.engine.scripted import Script, ScriptedEngine, echo
from app.main import create_app

MANIFEST = """
id = "{id}"
title = "Scripted {id}"
family = "native"
engine = "scripted"
languages = ["en"]
"""


def scripted_settings(folder: Path, models: tuple[str, ...] = ("test",), **changes: Any) -> Settings:
    """Settings with scripted models and everything below `folder`."""
    manifests = folder / "store" / "manifests"
    manifests.mkdir(parents=True, exist_ok=True)
    for model_id in models:
        (manifests / f"{model_id}.toml").write_text(MANIFEST.format(id=model_id))
    values = {"data_dir": folder / "data", "model_store": folder / "store", "model": models[0], "heartbeat_s": 0.5}
    return Settings(**(values | changes))


def scripted_engines(script: Script, slots: int = 4, context_tokens: int = 512) -> dict[str, EngineFactory]:
    """The engines of a server: only the scripted one."""
    factory = EngineFactory(
        "scripted", lambda plan: ScriptedEngine(script, context_tokens=context_tokens, slots=slots), slots=slots
    )
    return {"scripted": factory}


@dataclass
class Api:
    """A running server and a client for it."""

    url: str
    http: httpx.Client
    app: FastAPI

    @property
    def parts(self) -> Services:
        found: Services = self.app.state.services
        return found

    def conversation(self, **values: Any) -> str:
        answer = self.http.post("/api/conversations", json=values)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def ask(self, conversation_id: str, content: str, parent_id: str | None = None, **values: Any) -> dict[str, Any]:
        body = {"content": content, "parent_id": parent_id, **values}
        answer = self.http.post(f"/api/conversations/{conversation_id}/messages", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def messages(self, conversation_id: str) -> dict[str, dict[str, Any]]:
        found = self.http.get(f"/api/conversations/{conversation_id}").json()["messages"]
        return {m["id"]: m for m in found}

    def finished(self, conversation_id: str, message_id: str, timeout_s: float = 10) -> dict[str, Any]:
        """The message once it is final."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            message = self.messages(conversation_id)[message_id]
            if message["state"] != "pending":
                return message
            time.sleep(0.02)
        raise AssertionError("the reply did not end")

    def answer(self, conversation_id: str, content: str, parent_id: str | None = None, **values: Any) -> dict[str, Any]:
        """Ask and wait for the reply."""
        reply = self.ask(conversation_id, content, parent_id, **values)["reply"]
        return self.finished(conversation_id, reply["id"])


@contextmanager
def serving(settings: Settings, script: Script | None = None, **engine: Any) -> Iterator[Api]:
    """A server in a thread of this process."""
    app = create_app(settings, scripted_engines(script or echo(delay_ms=0), **engine))
    with running(app, settings) as api:
        yield api


@contextmanager
def running(
    app: FastAPI,
    settings: Settings,
    loop: Literal["auto", "asyncio"] = "auto",
    protocol: type[LimitedProtocol] | None = None,
) -> Iterator[Api]:
    """`app` on a free port, in an event loop of this kind, with the limits of this protocol for connections."""
    listening = uvicorn_server.bind("127.0.0.1", 0)
    url = uvicorn_server.address(listening)
    running_server = uvicorn_server.Server(app)
    running_server.config.loop = loop
    running_server.config.http = protocol or running_server.config.http
    thread = threading.Thread(target=running_server.run, args=([listening],))
    thread.start()
    try:
        while not running_server.started and thread.is_alive():
            time.sleep(0.01)
        running_server.raise_startup_error()
        with httpx.Client(base_url=url, timeout=20, verify=False) as http:  # reads no certificates
            yield Api(url, http, app)
    finally:
        running_server.should_exit = True
        thread.join()
        listening.close()


@dataclass
class Event:
    """A server-sent event."""

    id: str
    name: str
    data: dict[str, Any] = field(default_factory=dict)


def read_events(response: httpx.Response) -> Iterator[Event]:
    """Events of a streaming response; heartbeats have the name ``heartbeat``."""
    event = Event("", "")
    buffer = b""
    for chunk in response.iter_raw():
        buffer += chunk
        while b"\n" in buffer:
            raw, _, buffer = buffer.partition(b"\n")
            line = raw.decode()
            if line.startswith(":"):
                yield Event(event.id, "heartbeat")
            elif line.startswith("id: "):
                event.id = line[4:]
            elif line.startswith("event: "):
                event.name = line[7:]
            elif line.startswith("data: "):
                event.data = json.loads(line[6:])
            elif not line and event.name:
                yield event
                event = Event(event.id, "")
