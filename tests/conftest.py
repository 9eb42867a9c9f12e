"""Fixtures for every test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from model_store import manifests_dir

DEFAULT_WEIGHTS = "weights/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def default_weights() -> Path:
    """The embedded default model's file: real weights tell more than random ones."""
    store = Path(os.environ.get("PARLEY_TEST_MODEL_STORE", Path(__file__).parent.parent / "model_store"))
    path = store / DEFAULT_WEIGHTS
    if not path.exists():
        pytest.skip(f"the default model is not fetched ({path}); `make test` fetches it")
    return path


@pytest.fixture
def one_shipped(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As if the embedded default were the only model that is shipped: what lies in a store has all names to itself."""
    folder = tmp_path_factory.mktemp("shipped")
    name = "smollm2-135m-instruct.toml"
    (folder / name).write_bytes((manifests_dir() / name).read_bytes())
    monkeypatch.setattr("app.models.catalog.manifests_dir", lambda: folder)
    return folder
