"""Disk cache of quantized or packed weights, so that only the first start has to prepare them.

The cache key consists of the checkpoint's file names, sizes and times, the requested quantization, and the library
versions and CPU instruction set that it was made with. An entry is written to a temporary folder and renamed when it is
complete; older entries of the same kind are then removed.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

_READ = (".safetensors", ".json", ".model")  # the files of a checkpoint that the key depends on
_SPARE_BYTES = 1 << 30  # kept free on the disk


class PreparedWeights:
    """One cache entry: the folder ``<root>/<kind>/<key>``."""

    def __init__(self, root: Path, checkpoint: Path, kind: str, made_with: Iterable[str]) -> None:
        """`kind` names the quantization; `made_with` is everything else that the result depends on."""
        self._kind_dir = root / kind
        self._place = self._kind_dir / _key(checkpoint, made_with)

    @property
    def folder(self) -> Path | None:
        """The complete folder; ``None`` where there is none."""
        return self._place if self._place.is_dir() else None

    def store(self, write: Callable[[Path], None], size_bytes: int) -> Path | None:
        """Let `write` fill a folder of about `size_bytes`; returns the complete folder, ``None`` if it can't be kept.

        A full disk or a read-only folder is no error: the next start prepares the weights again.
        """
        unfinished = self._kind_dir / f".{uuid.uuid4().hex}"
        try:
            self._kind_dir.mkdir(parents=True, exist_ok=True)
            self._remove_all()
            if shutil.disk_usage(self._kind_dir).free < size_bytes + _SPARE_BYTES:
                print(f"Not enough disk space to keep the quantized weights in {self._kind_dir}.", file=sys.stderr)
                return None
            unfinished.mkdir()
            write(unfinished)
            unfinished.rename(self._place)
        except OSError as err:
            print(f"The quantized weights cannot be kept in {self._kind_dir}: {err.strerror}.", file=sys.stderr)
            return None
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return self._place

    def _remove_all(self) -> None:
        for old in self._kind_dir.iterdir():
            shutil.rmtree(old, ignore_errors=True)


def _key(checkpoint: Path, made_with: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for path in sorted(checkpoint.iterdir()):
        if path.suffix in _READ:
            found = path.stat()
            digest.update(f"{path.name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    for part in made_with:
        digest.update(f"{part}\n".encode())
    return digest.hexdigest()[:32]
