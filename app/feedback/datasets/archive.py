"""A dataset as one zip archive, written piece by piece."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from app.system.disk import read_chunks
from app.system.zip_pieces import ZipPieces


def archive(folder: Path, name: str, files: Sequence[str], at: datetime) -> Iterator[bytes]:
    """The `files` of `folder`, in a folder called `name`, all dated `at`. Raises :class:`OSError`."""
    written = ZipPieces()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in files:
            entry = zipfile.ZipInfo(f"{name}/{file}", (at.year, at.month, at.day, at.hour, at.minute, at.second))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            with packed.open(entry, "w", force_zip64=True) as target:
                for chunk in read_chunks(folder / file):
                    target.write(chunk)
                    yield written.take()
    yield written.take()
