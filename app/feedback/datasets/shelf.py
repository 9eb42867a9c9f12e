"""Where the files of datasets are: a folder for each in ``datasets/`` of the data folder, with its row in the store.

A dataset has both or neither. What an end of the program in between leaves is removed by the next change: folders that
are named or marked as unfinished. All others stay, since a person may have copied them there, and another database may
know them.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.domain.datasets import Dataset
from app.errors import DatasetBusy, DatasetExists, StoreError, StoreFull
from app.feedback.datasets.build import MANIFEST, USED_JUDGEMENTS, Check, OnProgress, build
from app.feedback.datasets.spec import DatasetSpec
from app.store import changing, reading
from app.system.disk import DISK_FULL, sync
from app.system.locks import locked
from app.system.private_files import create_folder

FOLDER = "datasets"
_PART = ".part"  # suffix of a folder that is being built
_UNFINISHED = ".unfinished"  # marks a folder that has its name while the row is being added or deleted


class Shelf:
    """The datasets of a data folder and its database; for any process, also while a server is running."""

    def __init__(self, data_dir: Path, database_url: str) -> None:
        self._data_dir, self._url = data_dir, database_url
        self._root = data_dir / FOLDER

    def build(self, user_id: str, spec: DatasetSpec, on_progress: OnProgress, check: Check) -> Dataset:
        """Build a dataset and add it. If this fails or `check` raises, nothing is left.

        Raises :class:`~app.errors.InvalidRequest`, :class:`DatasetExists`, :class:`DatasetBusy` (another one is being
        built) and :class:`~app.errors.StoreError`.
        """
        spec.check()
        with reading(self._url) as r:  # before a folder is made
            r.datasets.require_free(spec.name)
        with self._changing(), _disk_errors():
            self._require_no_other(spec.name)
            part = self._root / f".{spec.name}{_PART}"
            create_folder(part)
            try:
                return self._build(user_id, spec, part, on_progress, check)
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise

    def delete(self, user_id: str, name: str) -> None:
        """Delete a dataset with its files. Raises :class:`~app.errors.DatasetNotFound`."""
        with reading(self._url) as r:
            r.datasets.get(user_id, name)
        with self._changing(), _disk_errors():
            folder = self._root / name
            with suppress(OSError):  # it has no files any more, or the disk is full: all the more reason to delete
                (folder / _UNFINISHED).touch()
            with changing(self._url) as r:
                r.datasets.delete(user_id, name)
            shutil.rmtree(folder, ignore_errors=True)

    def folder(self, dataset: Dataset) -> Path:
        """Where the files of a dataset are."""
        return self._data_dir / dataset.folder

    def has_files(self, dataset: Dataset) -> bool:
        """Whether they are there."""
        return (self.folder(dataset) / MANIFEST).is_file()

    def _build(self, user_id: str, spec: DatasetSpec, part: Path, on_progress: OnProgress, check: Check) -> Dataset:
        with reading(self._url) as r:
            wanted = spec.filters.conversations
            read_until = r.datasets.position()
            total = len(r.feedback.conversation_ids(wanted))
            with _disk_errors():  # here, since the store takes them for its own
                manifest = build(r.feedback.conversations(wanted), total, spec, part, on_progress, check)
        used, target = part / USED_JUDGEMENTS, self._root / spec.name
        try:
            with changing(self._url) as r:
                folder = f"{FOLDER}/{spec.name}"
                made = r.datasets.add(user_id, spec.name, folder, spec.as_dict(), manifest, read_until, _pairs(used))
                used.unlink()
                (part / _UNFINISHED).touch()
                part.rename(target)
                sync(self._root)
        except BaseException:  # also of the commit
            shutil.rmtree(target, ignore_errors=True)
            raise
        with suppress(OSError):  # it is complete, and the next change removes the mark
            (target / _UNFINISHED).unlink()
        return made

    def _require_no_other(self, name: str) -> None:
        if (self._root / name).exists():
            raise DatasetExists(
                f"{self._root / name} is in the way, which is no dataset of this database. Choose another name, or "
                "move it away.",
                name=name,
            )

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Alone with the folder, whose left-overs are removed first."""

        def busy() -> None:
            raise DatasetBusy("Another dataset is being built or deleted. Try again when that is done.")

        create_folder(self._data_dir)
        create_folder(self._root)
        with locked(self._root, busy):
            with reading(self._url) as r:
                known = r.datasets.names()
            self._sweep(known)
            yield

    def _sweep(self, known: Collection[str]) -> None:
        for folder in self._root.iterdir():
            mark = folder / _UNFINISHED
            part = folder.name.startswith(".") and folder.name.endswith(_PART)
            if part or (mark.is_file() and folder.name not in known):
                shutil.rmtree(folder, ignore_errors=True)
            elif mark.is_file():
                mark.unlink()  # its row was added after all, or was not deleted


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="ascii") as file:
        for line in file:
            judgement_id, _, conversation_id = line.rstrip("\n").partition(" ")
            yield judgement_id, conversation_id


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise StoreFull("The disk is full: nothing was built. Free some space and try again.") from error
        raise StoreError(f"The files of the dataset can't be written: {error.strerror}. Nothing was built.") from error
