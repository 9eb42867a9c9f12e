"""Fixtures for every test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

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
