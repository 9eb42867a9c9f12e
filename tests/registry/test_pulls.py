from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.errors import FetchFailed, ModelNotFound
from app.registry.catalog import Catalog
from app.registry.fetching.pulls import Pulls
from tests.registry.fake_index import SLOW_PIP, FakeIndex, replace_pip, wait_until

pytestmark = pytest.mark.anyio


@pytest.fixture
def catalog(index: FakeIndex) -> Catalog:
    manifests = index.store / "manifests"
    manifests.mkdir(parents=True)
    (manifests / "tiny.toml").write_text(index.manifest_toml())
    return Catalog(index.store)


@asynccontextmanager
async def opened(catalog: Catalog) -> AsyncIterator[Pulls]:
    pulls = Pulls(catalog)
    try:
        yield pulls
    finally:
        await pulls.close()


async def test_a_fetch_makes_the_model_ready(index: FakeIndex, catalog: Catalog) -> None:
    index.wheel()
    assert catalog.status("tiny").state == "not_fetched"
    async with opened(catalog) as pulls:
        pulls.start("tiny")
        pulls.start("tiny")  # nothing more happens
        assert pulls.running("tiny")
        assert pulls.progress("tiny") is not None
        await pulls.wait("tiny")
        assert pulls.progress("tiny") is None
        assert pulls.last_error("tiny") is None
    status = catalog.status("tiny")
    assert (status.state, status.verified) == ("ready", True)


async def test_a_failure_is_kept_until_the_next_start(index: FakeIndex, catalog: Catalog) -> None:
    async with opened(catalog) as pulls:
        pulls.start("tiny")
        with pytest.raises(FetchFailed):
            await pulls.wait("tiny")
        assert isinstance(pulls.last_error("tiny"), FetchFailed)
        index.wheel()
        pulls.start("tiny")
        assert pulls.last_error("tiny") is None
        await pulls.wait("tiny")
    assert catalog.status("tiny").state == "ready"


def some_bytes(pulls: Pulls) -> bool:
    progress = pulls.progress("tiny")
    return progress is not None and progress.done_bytes > 0


async def test_cancel_and_start_again(
    index: FakeIndex, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.wheel()
    async with opened(catalog) as pulls:
        slow = replace_pip(monkeypatch, tmp_path / "slow", SLOW_PIP)
        pulls.start("tiny")
        async with asyncio.timeout(20):
            await asyncio.to_thread(wait_until, lambda: some_bytes(pulls))
        pulls.cancel("tiny")
        await pulls.wait("tiny")
        assert pulls.last_error("tiny") is None  # the user knows
        assert not pulls.running("tiny")
        slow.unlink()
        pulls.start("tiny")
        await pulls.wait("tiny")
    assert catalog.status("tiny").state == "ready"


async def test_close_ends_what_runs(
    index: FakeIndex, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_pip(monkeypatch, tmp_path / "slow", SLOW_PIP)
    pulls = Pulls(catalog)
    pulls.start("tiny")
    await asyncio.sleep(0.3)
    async with asyncio.timeout(10):
        await pulls.close()
        await pulls.close()
    assert not pulls.running("tiny")
    assert not index.target.exists()


async def test_the_event_loop_stays_free(index: FakeIndex, catalog: Catalog) -> None:
    index.wheel()
    async with opened(catalog) as pulls:
        pulls.start("tiny")
        ticks = 0
        while pulls.running("tiny"):
            await asyncio.sleep(0.005)
            ticks += 1
        assert ticks > 10  # starting Python and pip takes far longer than fifty milliseconds


async def test_an_unknown_model(catalog: Catalog) -> None:
    async with opened(catalog) as pulls:
        with pytest.raises(ModelNotFound):
            pulls.start("nothing")
        assert pulls.progress("nothing") is None
        pulls.cancel("nothing")
        await pulls.wait("nothing")
