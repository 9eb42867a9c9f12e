"""Quantized or packed weights kept on disk, so that only the first start has to prepare them.

They belong to one state of one checkpoint: its key is made of the files' names, sizes and times, of what was
asked for, and of what did the work (library versions, the CPU's instruction set). It is written beside its final
place and renamed when it is whole; others of the same kind are then out of date and go.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

_READ = (".safetensors", ".json", ".model")  # what a checkpoint is made of
_SPARE_BYTES = 1 << 30  # left free on the disk for everything else


class PreparedWeights:
    """One folder of prepared weights: ``<root>/<kind>/<key>``."""

    def __init__(self, root: Path, checkpoint: Path, kind: str, made_with: Iterable[str]) -> None:
        """`kind` names the quantization, `made_with` all else that the result depends on."""
        self._kind_dir = root / kind
        self._place = self._kind_dir / _key(checkpoint, made_with)

    @property
    def folder(self) -> Path | None:
        """The finished folder, if there is one."""
        return self._place if self._place.is_dir() else None

    def store(self, write: Callable[[Path], None], size_bytes: int) -> Path | None:
        """Let `write` fill a folder of about `size_bytes`; the finished folder, or ``None`` where it cannot be kept.

        A full disk or a folder that must not be written costs time at the next start, and nothing else.
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
