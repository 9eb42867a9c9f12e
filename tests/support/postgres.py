"""A PostgreSQL server of the tests' own, without the durability that costs time."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OPTIONS = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c unix_socket_directories='' -c port={port}"


def programs() -> Path | None:
    """The folder of the newest PostgreSQL's programs: Debian doesn't put it into PATH."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    found = shutil.which("initdb")
    return installed[-1] if installed else Path(found).parent if found else None


@contextmanager
def running(programs: Path) -> Iterator[str]:
    """Start a new server on loopback; yields the URL of its first database."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="parley-postgres-") as name:
        data = Path(name) / "data"
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            shutil.chown(name, "postgres")
        _run(programs / "initdb", "--no-sync", "--auth=trust", "--username=parley", "-D", data)
        _run(programs / "pg_ctl", "start", "-w", "-D", data, "-l", data / "log", "-o", _OPTIONS.format(port=port))
        try:
            yield f"postgresql://parley@127.0.0.1:{port}/postgres"
        finally:
            _run(programs / "pg_ctl", "stop", "-m", "immediate", "-D", data)


def _run(*command: object) -> None:
    user = "postgres" if os.geteuid() == 0 else None
    text = [str(part) for part in command]
    result = subprocess.run(text, user=user, cwd="/", check=False, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
