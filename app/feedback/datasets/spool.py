"""Rows of one format on their way to the disk: first all in one file, then, once the splits are known, one per split.

So that a build reads the log once, and memory holds 8 bytes per row.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from app.domain.splits import Split
from app.export.base import Format
from app.system.disk import sync_file
from app.system.private_files import FILE_MODE


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A finished file; `example` is its first row, as written."""

    name: str
    format: str
    split: Split
    rows: int
    sha256: str
    size_bytes: int
    example: bytes


class Spool:
    """The rows of one format. A context manager: its temporary file is removed at the end."""

    def __init__(self, made: Format, folder: Path) -> None:
        self.format = made
        self._folder = folder
        self._path = folder / f".{made.name}.rows"
        self._file = create(self._path)
        self._conversations, self._sizes = array("I"), array("Q")

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def add(self, conversation: int, row: bytes) -> None:
        """Add an encoded row of the conversation with this number."""
        self._file.write(row)
        self._conversations.append(conversation)
        self._sizes.append(len(row))

    def __len__(self) -> int:
        return len(self._sizes)

    def distribute(self, splits: Sequence[Split]) -> Iterator[WrittenFile]:
        """Write a file for each split that has rows; `splits` by the number of the conversation."""
        self._file.flush()
        for split in Split:
            if written := self._write(split, splits):
                yield written

    def _write(self, split: Split, splits: Sequence[Split]) -> WrittenFile | None:
        layout = self.format.layout
        if all(splits[conversation] is not split for conversation in self._conversations):
            return None
        name = f"{self.format.name}-{split}.{layout}"
        rows, example = 0, b""
        with create(self._folder / name) as file, self._path.open("rb") as spooled:
            hashed = Hashed(file)
            for conversation, length in zip(self._conversations, self._sizes, strict=True):
                if splits[conversation] is not split:
                    spooled.seek(length, os.SEEK_CUR)
                    continue
                row = spooled.read(length)
                example = example or row
                rows += 1
                hashed.write(layout.start if rows == 1 else layout.between)
                hashed.write(row)
            hashed.write(layout.end)
            sync_file(file)
        return WrittenFile(name, self.format.name, split, rows, hashed.sha256, hashed.size_bytes, example)


class Hashed:
    """Writes to a file and keeps its size and checksum."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._digest, self.size_bytes = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        """Append `data`."""
        self._file.write(data)
        self._digest.update(data)
        self.size_bytes += len(data)

    @property
    def sha256(self) -> str:
        """Of what was written, in hexadecimal."""
        return self._digest.hexdigest()


def create(path: Path) -> IO[bytes]:
    """Open a new private file to write to."""
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags | os.O_CLOEXEC, FILE_MODE))
