"""Sends odd requests to every route of a server in a network namespace without a way out, and reports what happened.

    python -m tests.support.route_probe FOLDER        (inside tests.support.network.isolated)

Writes one JSON object: see :class:`Findings`.
"""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from starlette.routing import Mount

from tests.support.network import packets_to_the_outside
from tests.support.odd_requests import BODIES, HEADERS, METHODS, QUERIES, VALUES, filled
from tests.support.processes import serving

SECRET = "a secret that no answer may contain"
NEVER_TOLD = (SECRET.encode(), b"root:x:0")
ANSWER_BYTES = 1 << 20


@dataclass
class Findings:
    """The result; everything but the counts should be empty."""

    patterns: int = 0
    requests: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)  # answered with 5xx, or not at all
    told: list[str] = field(default_factory=list)  # requests whose answer contains what is in a file
    files: list[str] = field(default_factory=list)  # written, changed or deleted
    packets: int = 0  # to the outside, while the server was asked
    packets_of_a_connection: int = 0  # that the probe tried itself: the counter works


def patterns(routes: Iterable[object], prefix: str = "") -> Iterator[str]:
    """The path patterns of all routes, those of mounted applications and of Gradio behind its allow-list too."""
    for route in routes:
        path = prefix + getattr(route, "path", "")
        if isinstance(route, Mount):
            yield f"{path}/"
            yield from patterns(getattr(getattr(route.app, "_app", None), "routes", route.routes), path)
        elif (within := getattr(route, "original_router", None)) is not None:  # FastAPI's included router
            yield from patterns(within.routes, path)
        else:
            yield path


def of_the_server(folder: Path) -> list[str]:
    """Every path pattern of the application as `parley serve` mounts it."""
    from app.main import create_app, mount_frontend
    from tests.support.servers import scripted_settings

    settings = scripted_settings(folder)
    app = mount_frontend(create_app(settings), "gradio", "http://127.0.0.1:9", settings.data_dir)
    return sorted({*patterns(app.routes)})


class Client:
    """Sends requests as they are, one after the other."""

    def __init__(self, url: str, findings: Findings) -> None:
        self._address, self._findings = urlsplit(url), findings
        self._connection = self._connected()
        self._statuses: Counter[int] = Counter()

    def ask(self, method: str, target: str, headers: dict[str, str], body: str) -> None:
        """Send one and note what is wrong with its answer."""
        self._findings.requests += 1
        name = f"{method} {target} {headers}"
        try:
            status, answer = self._exchange(method, target, headers, body.encode())
        except (OSError, http.client.HTTPException) as error:
            self._findings.failed.append(f"{name}: {error!r}")
            self._connection = self._connected()
            return
        self._statuses[status] += 1
        self._findings.statuses = dict(sorted(self._statuses.items()))
        if status >= 500:
            self._findings.failed.append(f"{name}: {status} {answer[:200]!r}")
        if any(secret in answer for secret in NEVER_TOLD):
            self._findings.told.append(name)

    def _exchange(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        connection = self._connection
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for key, value in {"host": self._address.netloc, "content-length": str(len(body)), **headers}.items():
            connection.putheader(key, value.encode("latin-1"))
        connection.endheaders(body)
        answer = connection.getresponse()
        if "event-stream" in answer.headers.get("content-type", ""):
            self._connection = self._connected()
            connection.close()
            return answer.status, b""
        return answer.status, answer.read(ANSWER_BYTES)

    def _connected(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address.hostname or "", self._address.port, timeout=20)


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of each file, but for the database and the log."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("parley.db") and path != folder / "output":
            found[str(path.relative_to(folder))] = (path.stat().st_size, path.stat().st_mtime_ns)
    return found


def probe(folder: Path) -> Findings:
    """Start a server in `folder` and ask it."""
    findings = Findings()
    every = of_the_server(folder)
    findings.patterns = len(every)
    for place in ("data", "store", "tmp"):
        (folder / place).mkdir(exist_ok=True)
        (folder / place / "secret.txt").write_text(SECRET)
    with serving(folder, "--ui", "gradio", PARLEY_MODEL="test", TMPDIR=str(folder / "tmp")) as server:
        server.http.get("/").raise_for_status()
        before, sent = snapshot(folder), packets_to_the_outside()
        client = Client(server.url, findings)
        odd = list(zip(itertools.cycle(BODIES.values()), HEADERS.values(), QUERIES, strict=False))
        for pattern, method in itertools.product(every, METHODS):
            for path, ((kind, body), headers, query) in itertools.product(sorted({*filled(pattern, VALUES)}), odd):
                client.ask(method, path + query, {"content-type": kind, **headers}, body)
        findings.packets = packets_to_the_outside() - sent
        after = snapshot(folder)
        findings.files = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        with suppress(OSError):
            socket.create_connection(("192.0.2.254", 80), timeout=0.5)
        findings.packets_of_a_connection = packets_to_the_outside() - sent - findings.packets
    return findings


if __name__ == "__main__":
    print(json.dumps(asdict(probe(Path(sys.argv[1])))))
