"""Large files that tests put into stores of their own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def place(source: Path, target: Path) -> Path:
    """The file `source` at `target` too: a link to the same bytes, or a copy on another disk; returns `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copy(source, target)
    return target
