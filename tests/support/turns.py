"""Tests in several processes take turns: as many at once as there are processes, or one that is marked ``alone``."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path(__file__).parents[2]
# Set while a test runs pytest itself: the outer test holds the turn, and waiting for another would never end.
IN_TURN = "PARLEY_TEST_IN_TURN"
# Any files of the checkout do: they are only locked.
_GATE, _RUNNING = _ROOT / "pyproject.toml", _ROOT / "Makefile"


@contextmanager
def turn(*, alone: bool, gate_file: Path = _GATE, running_file: Path = _RUNNING) -> Iterator[None]:
    """Wait for a turn and keep it; alone: from then on no other test runs, in this process or another."""
    if os.environ.get(IN_TURN):
        yield
        return
    with gate_file.open() as gate, running_file.open() as running:
        fcntl.flock(gate, fcntl.LOCK_EX)  # who waits to be alone keeps it, so that no new test begins meanwhile
        fcntl.flock(running, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield
