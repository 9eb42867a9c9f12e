"""What every fetch sees to: one at a time for each model, and a word on a disk that fails."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from app.errors import FetchCancelled, FetchFailed
from app.weights.progress import Cancelled

_POLL_S = 0.2


@contextlib.contextmanager
def locked(partial: Path, on_wait: Callable[[], None], cancelled: Cancelled) -> Iterator[None]:
    """Hold the lock of the model whose work in progress is `partial`; the kernel frees it when we die.

    While another process holds it, `on_wait` is called now and then. Raises :class:`FetchCancelled`.
    """
    with partial.with_name(f"{partial.name}.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if cancelled():
                    raise FetchCancelled("The download was cancelled.") from None
                on_wait()
                time.sleep(_POLL_S)
        yield


def disk_error(model_id: str, store_dir: Path, err: OSError) -> FetchFailed:
    """What to say of an ``OSError`` in the store."""
    if err.errno == errno.ENOSPC:
        text = "The disk is full. Free some space, or set PARLEY_MODEL_STORE to a folder on another disk."
    else:
        text = f"The model store {store_dir} can't be written to ({err.strerror}). Set another PARLEY_MODEL_STORE."
    return FetchFailed(text, model_id=model_id)
