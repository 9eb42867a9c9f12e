"""Child processes that run a module of Parley: command, environment, and a blocking process with text pipes.

A child gets only the environment variables that it needs. :mod:`app.engine.worker_process` supervises long-running
children; this module has one for a single task, killed if cancelled. Ctrl-C does not reach it: the parent handles it.
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

SOURCE_ROOT = Path(__file__).parents[2]  # a child's working folder, so that it imports the same `app`

_POLL_S = 0.1
# Environment variables that Python needs; no keys or passwords.
_PASSED_ON = (
    r"PATH|HOME|USER|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|TEMP|TMP|SYSTEMROOT|VIRTUAL_ENV|PYTHON\w+|(DY)?LD_LIBRARY_PATH"
)


def python_module(module: str) -> tuple[str, ...]:
    """The command that runs `module` with this Python interpreter."""
    return sys.executable, "-m", module


def environment(parent: Mapping[str, str], passed_on: str = "") -> dict[str, str]:
    """The environment for a child: a part of `parent`; `passed_on` is a regular expression for further variables."""
    wanted = re.compile(f"{_PASSED_ON}|{passed_on}" if passed_on else _PASSED_ON)
    return {name: value for name, value in parent.items() if wanted.fullmatch(name)}


@contextmanager
def child_process(
    module: str, cancelled: Callable[[], bool], *, passed_on: str = ""
) -> Iterator[subprocess.Popen[str]]:
    """Run ``python -m module`` with text pipes; killed at the end of the context, or once `cancelled` is true.

    `passed_on`: a regular expression for further environment variables.
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
        with suppress(BrokenPipeError):  # unsent input is no longer needed
            pipe.close()


def _end_when(process: subprocess.Popen[str], cancelled: Callable[[], bool], ended: threading.Event) -> None:
    while not ended.wait(_POLL_S):
        if cancelled():
            process.kill()
            return
