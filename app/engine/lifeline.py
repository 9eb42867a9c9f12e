"""The worker's side of :mod:`app.engine.worker_process`: reads its configuration, answers, and ends with its parent.

    lifeline = attach()    # reads the configuration; from here on the process ends with its parent
    ready({...})           # or: failed("why")
    hold()                 # block until then

Three things end it: the end of standard input (works everywhere), a signal from the kernel when the parent
dies (Linux; works even when a library keeps Python's lock), and a look at the parent's id at the start.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from typing import NoReturn

_PR_SET_PDEATHSIG = 1


class Lifeline:
    """A worker's connection to its parent."""

    def __init__(self, config: dict[str, object], answer_fd: int) -> None:
        self.config = config
        self._answer_fd = answer_fd

    def ready(self, facts: Mapping[str, object]) -> None:
        """Report to the parent that the worker is ready, with `facts` about it."""
        os.write(self._answer_fd, json.dumps(dict(facts)).encode() + b"\n")

    def failed(self, reason: str) -> NoReturn:
        """Report to the parent why this worker cannot run, and exit."""
        self.ready({"error": reason})
        os._exit(1)

    def hold(self) -> NoReturn:
        """Block until the parent ends or stops this process."""
        while True:
            threading.Event().wait()


def attach() -> Lifeline:
    """Read the configuration from the first line of standard input and tie this process to its parent.

    Standard output is reserved for the one answer; output of libraries is redirected to standard error.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent, which ends its workers
    answer_fd = os.dup(1)
    os.dup2(2, 1)
    config = json.loads(sys.stdin.buffer.readline() or b"{}")
    _die_with_parent(config.pop("parent_pid", None))
    threading.Thread(target=_end_with_input, name="lifeline", daemon=True).start()
    return Lifeline(config, answer_fd)


def _die_with_parent(parent_pid: object) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.name == "posix" and os.getppid() != parent_pid:  # it died before the line above
        os._exit(0)


def _end_with_input() -> None:
    while sys.stdin.buffer.readline():
        pass
    os._exit(0)
