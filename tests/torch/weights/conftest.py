from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from app.errors import FetchCancelled
from app.weights.importing import to_safetensors
from app.weights.importing.to_safetensors import ConversionJob
from app.weights.progress import Cancelled


@pytest.fixture(autouse=True)
def _converting_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Convert in the test's process, which has imported PyTorch, unless a test is marked ``own_process``."""
    if request.node.get_closest_marker("own_process") is None:
        monkeypatch.setattr(to_safetensors, "_worker", _here)


class _Stopped(Exception):
    """What killing the process would be."""


@contextlib.contextmanager
def _here(jobs: Sequence[ConversionJob], folder: Path, cancelled: Cancelled) -> Iterator[Iterator[str]]:
    from app.weights.importing.safetensors_worker import __main__ as worker

    lines: list[str] = []

    def say(what: Mapping[str, object]) -> None:
        lines.append(json.dumps(what))
        if cancelled():
            raise _Stopped

    wanted = [
        {"weights": job.weights, "part": job.part, "parts": job.parts, "target": str(folder / job.target)}
        for job in jobs
    ]
    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(_Stopped):
        patch.setattr(worker, "_say", say)
        patch.setattr(sys, "stdin", io.StringIO(json.dumps({"jobs": wanted})))
        worker.main()
    yield iter(lines)
    if cancelled():
        raise FetchCancelled("Run the same command to resume.")
