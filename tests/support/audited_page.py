"""The page in a process of its own that tells what each request makes it open: files, connections, processes.

    python -m tests.support.audited_page FOLDER

It writes a :class:`Description`, then reads lists of requests, one JSON line each, and writes their answers. Requests
reach the application without any socket. Python's audit events tell what is opened, whichever library does it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from urllib.parse import unquote

from fastapi import FastAPI
from starlette.types import Message, Scope

from app.auth.running_requests import RunningRequests
from app.domain.accounts import AccountRole, Principal
from app.store import Store

AUDITED = {
    *("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname", "subprocess.Popen"),
    *("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "tempfile.mkstemp", "tempfile.mkdtemp"),
}


@dataclass
class Request:
    """One request; header values and body are Latin-1."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


@dataclass
class Answer:
    """The response, and the audit events meanwhile, each with its path or address."""

    status: int
    headers: dict[str, str]
    body: str
    opened: list[str]


@dataclass
class Description:
    """Path patterns of Gradio's own routes, the paths that are let through, and where Gradio keeps its files."""

    patterns: list[str]
    allowed: list[str]
    folders: list[str]


class AuditedPage:
    """The process, for a test."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.description = Description(**self._read())  # type: ignore[arg-type]

    def ask(self, *requests: Request) -> list[Answer]:
        """Their answers, one after the other."""
        assert self._process.stdin is not None
        print(json.dumps([asdict(request) for request in requests]), file=self._process.stdin, flush=True)
        return [Answer(**values) for values in self._read()]  # type: ignore[arg-type]

    def _read(self) -> object:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def audited_page(folder: Path) -> Iterator[AuditedPage]:
    """Start the process, with its data in `folder`."""
    command = [sys.executable, "-m", "tests.support.audited_page", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield AuditedPage(process)
        finally:
            process.kill()


def described(page: FastAPI) -> Description:
    from gradio import route_utils, utils

    allow_list = page.routes[-1].app  # type: ignore[attr-defined]
    gradio, patterns = allow_list._app, set()
    for route in gradio.routes:
        within = getattr(route, "original_router", None)  # FastAPI's included router
        patterns |= {at.path for at in (within.routes if within else [route])}
    folders = [gradio.uploaded_file_dir, utils.get_upload_folder(), route_utils.DEFAULT_TEMP_DIR]
    return Description(sorted(patterns), sorted(allow_list._paths), folders)


async def _serve(page: FastAPI) -> None:
    opened: list[str] = []

    def record(event: str, arguments: tuple[object, ...]) -> None:
        if event in AUDITED:
            opened.append(f"{event} {arguments[1] if event == 'socket.connect' else arguments[0]}")

    sys.addaudithook(record)
    for line in sys.stdin:
        answers = []
        for request in (Request(**values) for values in json.loads(line)):
            opened.clear()
            answer = await _answer(page, request)
            answers.append(replace(answer, opened=list(opened)))
        print(json.dumps([asdict(answer) for answer in answers]), flush=True)


async def _answer(page: FastAPI, request: Request) -> Answer:
    """Call the application as a server does; a client library would tidy the path."""
    path, _, query = request.path.partition("?")
    headers = {"host": "127.0.0.1:7860", "content-length": str(len(request.body))} | request.headers
    scope: Scope = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 7860),
        "client": ("127.0.0.1", 1),
        "root_path": "",
        "method": request.method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
    }
    received = [{"type": "http.request", "body": request.body.encode("latin-1"), "more_body": False}]
    sent: list[Message] = []

    async def receive() -> Message:
        return received.pop() if received else await asyncio.Future()

    async def send(message: Message) -> None:
        sent.append(message)

    with suppress(Exception):  # after the 500 that the test will see
        await page(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    found = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], found, body.decode("latin-1"), [])


class NoAccounts:
    """In place of the accounts of an open store."""

    login_required = False
    local = Principal("local", "", AccountRole.ADMIN)

    def __init__(self) -> None:
        self.running = RunningRequests(cast(Store, None))  # which is asked for sessions only


def _main() -> None:
    from app.main import create_app, mount_frontend
    from tests.support.servers import scripted_settings

    settings = scripted_settings(Path(sys.argv[1]))
    page = mount_frontend(create_app(settings), "gradio", "http://127.0.0.1:9", settings.data_dir)
    page.state.services = SimpleNamespace(auth=NoAccounts())  # the rest is not opened
    print(json.dumps(asdict(described(page))), flush=True)
    asyncio.run(_serve(page))


if __name__ == "__main__":
    _main()
