"""A server's jobs without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.domain.jobs import Job
from app.jobs.context import Places
from app.jobs.kind import find_kinds
from app.jobs.service import JobService
from app.store import Store
from tests.weights.conftest import index

__all__ = ["index"]  # the loopback package index

KINDS = find_kinds(["tests.jobs.kinds"])
USER = "local"


@dataclass
class Running:
    """The service, and what it told."""

    service: JobService
    store: Store
    folder: Path
    told: list[tuple[str, str]] = field(default_factory=list)  # job id, state

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    async def add(self, name: str = "a", rows: int = 3, then: str = "", user_id: str = USER) -> Job:
        given = {"count": str(self.folder / name), "gate": str(self.gate), "rows": rows, "then": then}
        return await self.service.add(user_id, "count", given)

    async def until(self, job: Job, condition: Callable[[Job], Any], seconds: float = 30) -> Job:
        """The job once `condition` is true of it."""
        async with asyncio.timeout(seconds):
            while True:
                if condition(found := await self.service.get(job.user_id, job.id)):
                    return found
                await asyncio.sleep(0.02)

    async def ended(self, job: Job) -> Job:
        return await self.until(job, lambda found: not found.is_active)

    async def at_work(self, job: Job) -> Job:
        """The job once its process counts."""
        return await self.until(job, lambda found: found.progress is not None)


@asynccontextmanager
async def jobs_in(folder: Path) -> AsyncIterator[Running]:
    url = f"sqlite:///{folder / 'data' / 'parley.db'}"
    store = Store.open(url, folder / "data")
    service = JobService(store, KINDS, Places(folder / "data", folder / "store", url))
    found = Running(service, store, folder)
    service.on_change(lambda job, forgotten: found.told.append((job.id, "forgotten" if forgotten else job.state)))
    await service.start()
    try:
        yield found
    finally:
        await service.close()
        await store.close()


@pytest.fixture
async def jobs(tmp_path: Path) -> AsyncIterator[Running]:
    async with jobs_in(tmp_path) as found:
        yield found
