"""Child processes that run a module of Parley: their command, their environment, and a blocking one with text pipes.

A child has no more of our environment than it needs. :mod:`app.engine.worker_process` supervises those that stay; here
is one for a single task, ended when whoever waits for it gives up. Ctrl-C does not reach it: that is ours to handle.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

SOURCE_ROOT = Path(__file__).parents[2]  # a child's working folder: the same `app` as ours, wherever we were started

_POLL_S = 0.1
# What Python itself needs: no keys, no passwords.
_PASSED_ON = (
    r"PATH|HOME|USER|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|SYSTEMROOT|VIRTUAL_ENV|PYTHON\w+|(DY)?LD_LIBRARY_PATH"
)


def python_module(module: str) -> tuple[str, ...]:
    """The command that runs `module` with the Python that runs us."""
    return sys.executable, "-m", module


def environment(parent: Mapping[str, str], passed_on: str = "") -> dict[str, str]:
    """The part of `parent`'s environment that a child gets; `passed_on`: a regular expression for more of it."""
    wanted = re.compile(f"{_PASSED_ON}|{passed_on}" if passed_on else _PASSED_ON)
    return {name: value for name, value in parent.items() if wanted.fullmatch(name)}


@contextmanager
def child_process(
    module: str, cancelled: Callable[[], bool], *, passed_on: str = ""
) -> Iterator[subprocess.Popen[str]]:
    """``python -m module`` with pipes for lines of text; killed with this context, or when `cancelled` says so.

    `passed_on`: a regular expression for further environment variables that it gets.
    """
    process = subprocess.Popen(
        python_module(module),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(os.environ, passed_on),
        cwd=SOURCE_ROOT,
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


def _close(pipe: IO[Any] | None) -> None:
    if pipe is not None:
        with suppress(BrokenPipeError):  # what it was not told it need not know any more
            pipe.close()


def _end_when(process: subprocess.Popen[str], cancelled: Callable[[], bool], ended: threading.Event) -> None:
    while not ended.wait(_POLL_S):
        if cancelled():
            process.kill()
            return
