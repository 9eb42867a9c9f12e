"""A server with a scripted model for each test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.engine.scripted import Reply, rules
from app.errors import GenerationFailed, WorkerDied, WorkerFailed
from tests.support.servers import Api, scripted_settings, serving

LONG = " ".join(f"word{n}" for n in range(200))
SCRIPT = rules(
    ("slow", Reply.of(LONG, delay_ms=20)),
    ("characters", Reply.byte_by_byte("你好，世界 👩‍👩‍👧 naïve 🎉 末尾", delay_ms=3)),
    ("fail now", Reply(("half ", "an "), fault=GenerationFailed("The script says so."), fault_after=2)),
    ("die now", Reply(("some ", "text "), fault=WorkerDied("The worker was killed. Try again."), fault_after=2)),
    ("never start", Reply(("",), fault=WorkerFailed("It would not start.", model_id="test"))),
    ("zero byte", Reply(("a\0", "b"))),
    ("hang", Reply(("waiting ",), hangs=True)),
)


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """For tests that leave nothing behind that another would mind."""
    with _serving(tmp_path_factory.mktemp("shared")) as found:
        yield found


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with _serving(tmp_path) as found:
        yield found


@contextmanager
def _serving(folder: Path) -> Iterator[Api]:
    settings = scripted_settings(
        folder, models=("test", "other"), chatglm_api=True, max_waiting=2, max_import_bytes=64 << 20
    )
    with serving(settings, SCRIPT) as found:
        yield found
