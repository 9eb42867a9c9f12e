"""Writes the tensor data of a GGUF file in slices, quantized on two threads, and computes the file's checksum.

The gguf package's writer needs whole tensors in memory; an embedding of 250,880 tokens would be several GB. So that
package writes only the header, and this module the data: each tensor is aligned to 32 bytes, as the header says.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import gguf

from app.errors import FetchCancelled
from app.system.disk import read_chunks, sync_file
from app.weights.converting.converter import Part
from app.weights.converting.number_formats import Kind
from app.weights.converting.rows import read_rows, slices, to_kind
from app.weights.formats.checkpoint import Checkpoint, weight_files
from app.weights.formats.safetensors import TensorInfo, read_tensors
from app.weights.progress import Cancelled, OnProgress, Progress

_THREADS = 2  # NumPy releases the GIL; more threads would cost memory for little speed
_ALIGNMENT = gguf.GGUF_DEFAULT_ALIGNMENT


@dataclass(frozen=True, slots=True)
class TensorJob:
    """One tensor to write."""

    part: Part
    kind: Kind
    size_bytes: int  # in the file, without padding


def write_tensors(
    draft: Path, checkpoint: Checkpoint, jobs: Sequence[TensorJob], on_progress: OnProgress, cancelled: Cancelled
) -> str:
    """Append all tensors to `draft`, which holds the header; returns the SHA-256 of the whole file.

    Raises :class:`FetchCancelled`, :class:`DamagedWeights`, ``OSError``.
    """
    total = sum(job.size_bytes for job in jobs)
    with contextlib.ExitStack() as stack:
        sources = _Sources(checkpoint, stack)
        pool = stack.enter_context(ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)))
        stack.callback(pool.shutdown, cancel_futures=True)
        out = stack.enter_context(_Out(draft))
        out.pad()
        written = 0
        for job, data in _packed(pool, sources, jobs):
            if cancelled():
                raise FetchCancelled("Cancelled.")
            if job is None:
                out.pad()
                continue
            out.write(data)
            written += len(data)
            on_progress(Progress("quantizing", written, total))
        return out.finish()


def _packed(
    pool: ThreadPoolExecutor, sources: _Sources, jobs: Sequence[TensorJob]
) -> Iterator[tuple[TensorJob | None, bytes]]:
    """The encoded slices of all tensors in order, and ``None`` after each tensor; a few are computed ahead."""
    waiting: deque[tuple[TensorJob | None, Future[bytes] | None]] = deque()
    for job in jobs:
        for begin, end in slices(job.part.shape):
            waiting.append((job, pool.submit(sources.packed, job, begin, end)))
            if len(waiting) > 2 * _THREADS:
                yield _next(waiting)
        waiting.append((None, None))
    while waiting:
        yield _next(waiting)


def _next(waiting: deque[tuple[TensorJob | None, Future[bytes] | None]]) -> tuple[TensorJob | None, bytes]:
    job, future = waiting.popleft()
    return job, future.result() if future else b""


class _Sources:
    """The open files of the checkpoint, and the location of each tensor."""

    def __init__(self, checkpoint: Checkpoint, stack: contextlib.ExitStack) -> None:
        self._places: dict[str, tuple[BinaryIO, TensorInfo]] = {}
        for name in weight_files(checkpoint.folder):
            path = checkpoint.folder / name
            file = stack.enter_context(path.open("rb"))
            self._places |= {tensor: (file, info) for tensor, info in read_tensors(path).items()}

    def packed(self, job: TensorJob, begin: int, end: int) -> bytes:
        """Encode some rows in their new format."""
        part = job.part
        if part.values is not None:
            return to_kind(part.values, job.kind, part.name)
        file, stored = self._places[part.source]
        return to_kind(read_rows(file, stored, part, begin, end), job.kind, part.name)


class _Out:
    """The file being written, and its running checksum."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sum = hashlib.sha256()
        self._size = 0

    def __enter__(self) -> _Out:
        for data in read_chunks(self._path):
            self._sum.update(data)
            self._size += len(data)
        self._file = self._path.open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._sum.update(data)
        self._size += len(data)

    def pad(self) -> None:
        """Pad to a multiple of 32 bytes."""
        self.write(bytes(-self._size % _ALIGNMENT))

    def finish(self) -> str:
        """Sync to the disk; returns the checksum."""
        sync_file(self._file)
        return self._sum.hexdigest()
