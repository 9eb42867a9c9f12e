from __future__ import annotations

import fcntl
import threading
import time
from functools import partial
from pathlib import Path

from tests.support.turns import turn


def test_one_that_is_to_be_alone_waits_for_those_that_run_and_goes_before_those_that_come(tmp_path: Path) -> None:
    gate, running = tmp_path / "gate", tmp_path / "running"
    gate.touch()
    running.touch()
    take = partial(turn, gate_file=gate, running_file=running)
    order: list[str] = []

    def note(name: str, *, alone: bool) -> None:
        with take(alone=alone):
            order.append(name)

    with take(alone=False):
        with take(alone=False):
            order.append("beside")
        exclusive = threading.Thread(target=note, args=("alone",), kwargs={"alone": True})
        exclusive.start()
        while not is_locked(gate):
            time.sleep(0.01)
        late = threading.Thread(target=note, args=("late",), kwargs={"alone": False})
        late.start()
        assert order == ["beside"]
    exclusive.join()
    late.join()
    assert order == ["beside", "alone", "late"]


def is_locked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
