from __future__ import annotations

import gc
import io
import zipfile

from app.system.zip_pieces import ZipPieces


def test_pieces_are_an_archive() -> None:
    written, whole = ZipPieces(), b""
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("one", "two"):
            archive.writestr(name, name * 100)
            whole += written.take()
    whole += written.take()
    with zipfile.ZipFile(io.BytesIO(whole)) as read:
        assert read.testzip() is None
        assert [read.read(name).decode() for name in read.namelist()] == ["one" * 100, "two" * 100]


def test_an_archive_that_is_never_finished_makes_no_noise() -> None:
    """A download that is broken off; pytest turns what a finalizer raises into an error."""
    cycle: list[object] = []
    for _ in range(20):
        archive = zipfile.ZipFile(ZipPieces(), "w")
        archive.writestr("one", "text")
        cycle = [archive, archive.fp, cycle]
        cycle.append(cycle)
        del archive
    del cycle
    gc.collect()
