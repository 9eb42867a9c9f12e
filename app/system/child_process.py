"""A process of ours that does what the server must not do itself, and says JSON lines about it.

It has no more of our environment than it needs, it is ended when whoever waits for it gives up, and Ctrl-C does not
reach it: that is ours to handle.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

_POLL_S = 0.1
# What Python itself needs: no keys, no passwords.
_PASSED_ON = r"PATH|HOME|LANG|LC_\w+|TMPDIR|VIRTUAL_ENV|PYTHON\w+|(DY)?LD_LIBRARY_PATH"


@contextmanager
def child(module: str, cancelled: Callable[[], bool], *, passed_on: str = "") -> Iterator[subprocess.Popen[str]]:
    """``python -m module`` with pipes for lines of text; killed with this context, or when `cancelled` says so.

    `passed_on`: a regular expression for further environment variables that it gets.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(passed_on),
        cwd=Path(__file__).parents[2],  # the same `app` as ours, wherever we were started
        text=True,
        start_new_session=True,
    )
    ended = threading.Event()
    watch = threading.Thread(target=_end_when, args=(process, cancelled, ended), daemon=True)
    watch.start()
    try:
        yield process
    finally:
        ended.set()
        watch.join()
        process.kill()
        process.wait()
        _close(process.stdin)
        _close(process.stdout)


def environment(passed_on: str = "") -> dict[str, str]:
    """The part of our environment that a child gets."""
    wanted = re.compile(f"{_PASSED_ON}|{passed_on}" if passed_on else _PASSED_ON)
    return {name: value for name, value in os.environ.items() if wanted.fullmatch(name)}


def _close(pipe: IO[Any] | None) -> None:
    if pipe is not None:
        with suppress(BrokenPipeError):  # what it was not told it need not know any more
            pipe.close()


def _end_when(process: subprocess.Popen[str], cancelled: Callable[[], bool], ended: threading.Event) -> None:
    while not ended.wait(_POLL_S):
        if cancelled():
            process.kill()
            return
