"""A render process for tests without a server, and texts that nobody can render."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from frontends.view.render_process import RenderProcess


@pytest.fixture
async def process() -> AsyncIterator[RenderProcess]:
    process = RenderProcess()
    yield process
    await process.close()
