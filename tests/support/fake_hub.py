"""A Hugging Face hub on the loopback interface: what ``huggingface_hub`` asks for, with faults on demand.

    with FakeHub() as hub:
        hub.add("tiny/model", {"config.json": b"{}", "model.safetensors": data})
        hub.use(monkeypatch, tmp_path)      # or set HF_ENDPOINT to hub.url for another process

Large files (``lfs``, by their suffix) are announced with their SHA-256 and served behind a redirection, as the real
one does; small ones with git's blob id.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from app.models.fetch_model import fetch_model
from app.models.hub_references import resolve
from app.models.manifest import Manifest
from app.weights.progress import Cancelled, OnProgress

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LFS_SUFFIXES = (".safetensors", ".bin", ".pth", ".gguf", ".model", ".enc")
_CHUNK_BYTES = 16_384


@dataclass
class Repo:
    """One repository at its only commit; ``announced`` replaces what the listing says of a file."""

    files: dict[str, bytes]
    tags: list[str] = field(default_factory=lambda: ["license:apache-2.0"])
    announced: dict[str, dict[str, Any]] = field(default_factory=dict)

    def listing(self, name: str) -> dict[str, Any]:
        return {"id": name, "sha": COMMIT, "tags": self.tags, "siblings": [self._entry(path) for path in self.files]}

    def _entry(self, path: str) -> dict[str, Any]:
        data = self.files[path]
        entry: dict[str, Any] = {"rfilename": path, "size": len(data), "blobId": git_blob(data)}
        if path.endswith(LFS_SUFFIXES):
            entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 135}
        return {**entry, **self.announced.get(path, {})}


class FakeHub:
    """The hub. Faults may be set at any time, also while it serves."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.served: Counter[str] = Counter()  # bytes of each file that went out
        self.asked: list[tuple[str, str, dict[str, str]]] = []  # method, path, headers
        self.cuts: dict[str, list[int]] = {}  # by file: after how many bytes of each request the connection is cut
        self.changed: dict[str, bytes] = {}  # by file: what is served in place of what was announced
        self.refusals: dict[str, list[tuple[int, dict[str, str]]]] = {}  # by file, or "list": statuses, the last stays
        self.pause_s = 0.0  # between pieces of 16 KiB
        self.knows_ranges = True
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def add(self, name: str, files: Mapping[str, bytes] | Path) -> Repo:
        """A repository of these files, or of those in a folder."""
        if isinstance(files, Path):
            files = {str(p.relative_to(files)): p.read_bytes() for p in sorted(files.rglob("*")) if p.is_file()}
        repo = self.repos[name] = Repo(dict(files))
        return repo

    def use(self, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        """Let this process and its children speak with this hub, with no one logged in."""
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HF_ENDPOINT", self.url)
        monkeypatch.setenv("HF_HOME", str(home / "hf"))

    def refuse(self, what: str, status: int, *, times: int = 0, **headers: str) -> None:
        """Answer with `status`: always, or `times` times. ``X_Error_Code="…"`` becomes a header."""
        answer = (status, {key.replace("_", "-"): value for key, value in headers.items()})
        self.refusals[what] = [answer] * times + ([(0, {})] if times else [answer])

    def __enter__(self) -> FakeHub:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def git_blob(data: bytes) -> str:
    """The id that git gives to these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append((self.command, path, {k.lower(): v for k, v in self.headers.items()}))
            owner, _, rest = path.removeprefix("/cdn").removeprefix("/api/models").strip("/").partition("/")
            name, _, rest = rest.partition("/")
            kind, _, rest = rest.partition("/")
            repo = hub.repos.get(f"{owner}/{name}")
            if path.startswith("/api/"):
                self._list(f"{owner}/{name}", repo, rest)
                return
            _commit, _, file = rest.partition("/")
            if self._refused(file):
                return
            if repo is None or kind != "resolve" or file not in repo.files:
                self._send(404, {"X-Error-Code": "EntryNotFound"})
            elif file.endswith(LFS_SUFFIXES) and not path.startswith("/cdn/"):
                self._send(302, {"Location": f"/cdn{self.path}", "X-Repo-Commit": COMMIT})
            else:
                self._file(file, hub.changed.get(file, repo.files[file]), body=body)

        def _list(self, name: str, repo: Repo | None, revision: str) -> None:
            if self._refused("list"):
                return
            if repo is None:
                self._send(404, {"X-Error-Code": "RepoNotFound"})
            elif revision not in ("main", COMMIT):
                self._send(404, {"X-Error-Code": "RevisionNotFound"})
            else:
                self._send(200, {"Content-Type": "application/json"}, json.dumps(repo.listing(name)).encode())

        def _refused(self, what: str) -> bool:
            answers = hub.refusals.get(what)
            if not answers:
                return False
            status, headers = answers.pop(0) if len(answers) > 1 else answers[0]
            if status:
                self._send(status, headers)
            return bool(status)

        def _file(self, file: str, data: bytes, *, body: bool) -> None:
            wanted = self.headers.get("Range", "")
            begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and hub.knows_ranges else 0
            if begin >= len(data) > 0 and begin:
                self._send(416, {})
                return
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(data) - begin))
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            if body:
                cuts = hub.cuts.get(file, [])
                self._pieces(file, data[begin:], cuts.pop(0) if cuts else None)

        def _pieces(self, file: str, data: bytes, cut: int | None) -> None:
            end = len(data) if cut is None else min(cut, len(data))
            try:
                for at in range(0, end, _CHUNK_BYTES):
                    piece = data[at : min(at + _CHUNK_BYTES, end)]
                    self.wfile.write(piece)
                    hub.served[file] += len(piece)
                    time.sleep(hub.pause_s)
            except (BrokenPipeError, ConnectionResetError):  # the other side was killed
                self.close_connection = True
            if cut is not None:
                self.close_connection = True

        def _send(self, status: int, headers: Mapping[str, str], data: bytes = b"") -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_args: object) -> None:
            """Nobody reads it."""

    return Handler


def fetched(text: str, store: Path, on_progress: OnProgress, cancelled: Cancelled) -> Manifest:
    """What ``parley models pull hub:… --to none`` does: the manifest of the model that is now in `store`."""
    return fetch_model(resolve(text, store, cancelled), store, on_progress, cancelled, to="none")
