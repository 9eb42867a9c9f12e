"""The dataset service: preview, build, list, download and delete datasets."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.domain.datasets import Dataset, Stale
from app.domain.jobs import Job
from app.errors import DatasetNotFound, StoreError
from app.feedback.datasets.archive import archive
from app.feedback.datasets.build import MANIFEST
from app.feedback.datasets.preview import Preview, preview
from app.feedback.datasets.shelf import Shelf
from app.feedback.datasets.spec import DatasetSpec
from app.feedback.job_kinds.build_dataset import BUILD_DATASET
from app.jobs.service import JobService
from app.store import Repositories, Store, reading


@dataclass(frozen=True, slots=True)
class ShownDataset:
    """A dataset, and how many of its judgements it should not contain any more, by reason; not stale without any."""

    dataset: Dataset
    stale: Mapping[Stale, int]


class DatasetService:
    """Everything about datasets. One per application."""

    def __init__(self, store: Store, jobs: JobService, data_dir: Path, database_url: str) -> None:
        self._store, self._jobs, self._url = store, jobs, database_url
        self._shelf = Shelf(data_dir, database_url)
        self._closing = threading.Event()

    async def close(self) -> None:
        """End running previews. Idempotent."""
        self._closing.set()

    async def preview(self, spec: DatasetSpec) -> Preview:
        """What the dataset would contain. Raises :class:`~app.errors.InvalidRequest`."""

        def work() -> Preview:
            with reading(self._url) as r:
                return preview(r.feedback.conversations(spec.filters.conversations), spec, self._check)

        spec.check()
        return await asyncio.to_thread(work)

    async def build(self, user_id: str, spec: DatasetSpec) -> Job:
        """Start a job that builds a dataset. Raises :class:`InvalidRequest` and :class:`~app.errors.DatasetExists`."""
        spec.check()
        await self._store.read(lambda r: r.datasets.require_free(spec.name))
        parameters = {"user_id": user_id, "title": spec.name, "spec": spec.as_dict()}
        return await self._jobs.add(user_id, BUILD_DATASET, parameters)

    async def list(self, user_id: str) -> Sequence[ShownDataset]:
        """The datasets of a user, newest first."""

        def work(r: Repositories) -> list[ShownDataset]:
            return [shown(r, self._shelf, dataset) for dataset in r.datasets.all(user_id)]

        return await self._store.read(work)

    async def get(self, user_id: str, name: str) -> ShownDataset:
        """One dataset. Raises :class:`DatasetNotFound`."""
        return await self._store.read(lambda r: shown(r, self._shelf, r.datasets.get(user_id, name)))

    async def file(self, user_id: str, name: str, file: str) -> Path:
        """The path of one of its files. Raises :class:`DatasetNotFound`, also for a file that it does not have."""
        found = (await self.get(user_id, name)).dataset
        path = self._shelf.folder(found) / file
        if file not in file_names(found) or not path.is_file():
            raise DatasetNotFound(f"The dataset {name!r} has no file {file!r}.", name=name, file=file)
        return path

    async def as_archive(self, user_id: str, name: str) -> Iterator[bytes]:
        """All its files as a zip archive, piece by piece. Raises :class:`StoreError` if they are missing."""
        found = (await self.get(user_id, name)).dataset
        if not self._shelf.has_files(found):
            raise StoreError(f"The files of the dataset {name!r} are missing. Delete it, and build it again.")
        return archive(self._shelf.folder(found), found.name, file_names(found), found.created_at)

    async def delete(self, user_id: str, name: str) -> None:
        """Delete a dataset with its files."""
        await asyncio.to_thread(self._shelf.delete, user_id, name)

    def _check(self) -> None:
        if self._closing.is_set():
            raise StoreError("Parley is shutting down.")


def file_names(dataset: Dataset) -> list[str]:
    """The files of a dataset."""
    return [*(file["name"] for file in dataset.manifest["files"]), MANIFEST]


def shown(r: Repositories, shelf: Shelf, dataset: Dataset) -> ShownDataset:
    """The dataset with what has happened to its judgements since."""
    missing = Counter() if shelf.has_files(dataset) else Counter({Stale.FILES_MISSING: 1})
    return ShownDataset(dataset, missing + r.datasets.stale(dataset))
