"""Files that tests use and that are not ours to hand on: they lie beside the repository, or are not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_FOLDER = Path(os.environ.get("PARLEY_TEST_SHARED") or Path(__file__).parents[2].parent / "shared")


def shared(path: str) -> Path:
    """The file or folder at `path` in the shared folder; skips the test where it is absent."""
    found = _FOLDER / path
    if not found.exists():
        pytest.skip(f"{found} is not here (PARLEY_TEST_SHARED names the folder that holds it)")
    return found
