"""Engines for tests, each with what a test must know about it."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """One event loop for a module's engines: starting a real one for each test would take minutes."""
    return "asyncio"
