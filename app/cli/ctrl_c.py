"""What Ctrl-C does while a command works: stop in an orderly way instead of raising in the middle of something."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType


class Stopper:
    """While entered, SIGINT (Ctrl-C) and SIGTERM set ``stopped`` instead of interrupting the work halfway."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._before: dict[signal.Signals, signal.Handlers | int | None] = {}

    def stopped(self) -> bool:
        """Whether the user wants to stop."""
        return self._event.is_set()

    def __enter__(self) -> Stopper:
        for wanted in (signal.SIGINT, signal.SIGTERM):
            self._before[wanted] = signal.signal(wanted, self._stop)  # type: ignore[assignment]
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, tb: TracebackType | None) -> None:
        for wanted, handler in self._before.items():
            signal.signal(wanted, handler)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._event.set()


@contextmanager
def on_interrupt(action: Callable[[], None]) -> Iterator[None]:
    """While inside, Ctrl-C calls `action` instead of ending the program."""
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):  # Windows: Ctrl-C then ends the program
        loop.add_signal_handler(signal.SIGINT, action)
    try:
        yield
    finally:
        with suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGINT)
