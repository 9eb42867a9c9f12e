"""What everything that writes much does to the disk: only with room enough, and made to last."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from app.errors import FetchFailed

_SPARE_BYTES = 64 << 20  # a disk is not filled to the brim: the database lives there too
_CURE = "Make room, or set PARLEY_MODEL_STORE to a folder on another disk."


def check_room(folder: Path, needed_bytes: int, *, model_id: str = "", cure: str = _CURE) -> None:
    """Raises :class:`FetchFailed` where the disk of `folder` has no room for `needed_bytes` and a little more.

    The message names the model, where one is given, and ends with the `cure`.
    """
    needed = needed_bytes + _SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise FetchFailed(
            f"There is not enough room on the disk{model_id and f' for {model_id}'}: {needed / 1e6:,.0f} MB are needed "
            f"for a moment and {free / 1e6:,.0f} MB are free. {cure}",
            **({"model_id": model_id} if model_id else {}),
            reason="room",
            needed_bytes=needed,
            free_bytes=free,
        )


def sync_folder(folder: Path) -> None:
    """Make the renames in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
