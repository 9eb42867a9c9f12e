"""Watch what a server's event loop does: the CPU time of each callback, and calls that block.

CPU time instead of time on the clock, so that other programs on the machine do not matter.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

_BLOCKING = ("open", "os.listdir", "os.scandir", "os.rename", "os.remove", "subprocess.Popen", "socket.getaddrinfo")
_STATS = ("stat", "lstat")


@dataclass
class LoopWatch:
    """What was seen on the thread of `loop`."""

    loop: asyncio.AbstractEventLoop
    longest_ms: float = 0.0
    longest: str = ""
    blocking: list[str] = field(default_factory=list)
    thread_id: int | None = None

    def took(self, ms: float, handle: asyncio.Handle) -> None:
        if ms > self.longest_ms:
            self.longest_ms, self.longest = ms, repr(handle)

    def called(self, event: str, argument: object) -> None:
        if threading.get_ident() == self.thread_id:
            frames = itertools.islice(traceback.walk_stack(None), 2, 14)  # names only: source lines are in files
            shown = " < ".join(f"{frame.f_code.co_name}:{line}" for frame, line in frames)
            self.blocking.append(f"{event} {argument!r} in {shown}")


_watching: list[LoopWatch] = []


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if _watching and event in _BLOCKING:
        for watch in _watching:
            watch.called(event, args[0] if args else None)


sys.addaudithook(_audit)  # can't be removed: it does nothing while no loop is watched


@contextmanager
def watched(loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopWatch]:
    """Watch `loop`, which runs in another thread, while inside."""
    watch = LoopWatch(loop)
    run = asyncio.Handle._run

    def timed(self: asyncio.Handle) -> None:
        if self._loop is not loop:  # type: ignore[attr-defined]
            return run(self)
        watch.thread_id = threading.get_ident()
        before = time.thread_time()
        try:
            run(self)
        finally:
            watch.took(1000 * (time.thread_time() - before), self)

    with monkeypatch.context() as patch:
        patch.setattr(asyncio.Handle, "_run", timed)
        for name in _STATS:  # no audit event tells of these
            patch.setattr(os, name, _told(watch, name, getattr(os, name)))
        _watching.append(watch)
        gc.collect()
        gc.disable()  # a collection among all that pytest holds would be counted as a callback's
        try:
            yield watch
        finally:
            gc.enable()
            _watching.remove(watch)


def _told(watch: LoopWatch, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(path: object, *args: Any, **kwargs: Any) -> Any:
        watch.called(f"os.{name}", path)
        return function(path, *args, **kwargs)

    return call
