from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.weights.fetching import hub_client
from tests.support.fake_hub import FakeHub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub without repositories, to which every fetch of this test goes; trying again takes no time."""
    monkeypatch.setattr(hub_client, "PAUSES_S", (0.01, 0.01, 0.01))
    with FakeHub() as fake:
        fake.use(monkeypatch, tmp_path)
        yield fake


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"
