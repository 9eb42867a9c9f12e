"""Writes the rows of one format to one file, without splits, with a manifest beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from app import __version__
from app.domain.feedback import ConversationFeedback
from app.errors import StoreError
from app.export.base import Format, Layout, Options, encoded
from app.feedback.datasets.sources import sources
from app.feedback.datasets.spec import DatasetSpec, Filters
from app.feedback.datasets.spool import Hashed
from app.feedback.datasets.tally import Tally
from app.system.disk import replacing
from app.system.private_files import FILE_MODE


def manifest_path(path: Path) -> Path:
    """The manifest's path next to the data: ``thumbs.jsonl.manifest.json`` for ``thumbs.jsonl``."""
    return path.with_name(path.name + ".manifest.json")


def write_file(
    path: Path, made: Format, conversations: Iterable[ConversationFeedback], filters: Filters
) -> dict[str, Any]:
    """Write `path` and its manifest, which is returned. An older file stays until the new one is complete.

    Raises :class:`StoreError` when a file can't be written.
    """
    try:
        with replacing(path, mode=FILE_MODE) as file:
            manifest = write_rows(file, made, conversations, filters)
        manifest["file"] = path.name
        with replacing(manifest_path(path), mode=FILE_MODE) as file:
            file.write(json.dumps(manifest, ensure_ascii=False, indent=2).encode() + b"\n")
    except OSError as error:
        raise StoreError(f"{path} can't be written: {error.strerror}. An existing file is unchanged.") from error
    return manifest


def write_rows(
    file: IO[bytes], made: Format, conversations: Iterable[ConversationFeedback], filters: Filters
) -> dict[str, Any]:
    """Write the rows in the format's layout; returns the manifest, with filters, counts and the SHA-256."""
    filters.check()
    tally, hashed, layout, rows = Tally(), Hashed(file), made.layout, 0
    for source in sources(conversations, DatasetSpec("export", (made.name,), filters), tally):
        for row in made.rows(source, Options()):
            if row is None:
                tally.unrepresentable[made.name] += 1
                continue
            hashed.write((layout.between if rows else layout.start) + encoded(row, layout))
            rows += 1
    if rows or layout is Layout.ARRAY:
        hashed.write(layout.end if rows else layout.start + layout.end)
    return {
        "format": made.name,
        "parley_version": __version__,
        "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "filters": filters.as_dict(),
        **tally.as_dict(),
        "rows": rows,
        "sha256": hashed.sha256,
        "size_bytes": hashed.size_bytes,
    }
