"""No request to any route makes the server fail, connect to the outside, or read or write a file for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.network import can_isolate, isolated


@pytest.mark.slow
def test_no_odd_request_reaches_files_or_the_network(tmp_path: Path) -> None:
    if not can_isolate():
        pytest.skip("no network namespaces here: needs unshare, ip and the permission to use them")
    command = isolated(sys.executable, "-m", "tests.support.route_probe", str(tmp_path))
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    print({name: found[name] for name in ("patterns", "requests", "statuses", "packets_of_a_connection")})
    assert found["patterns"] > 90
    assert found["packets_of_a_connection"] > 0, "the counter counts nothing"
    assert {name: found[name] for name in ("failed", "told", "files", "packets")} == {
        "failed": [],
        "told": [],
        "files": [],
        "packets": 0,
    }
