"""Lazy tensors that are read or computed some rows at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK_BYTES = 64 << 20


class Refused(Exception):
    """The input is rejected; the message completes the sentence that begins with the file's name."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A lazy tensor of one or more dimensions; `read` returns its rows [begin, end)."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    read: Callable[[int, int], Tensor]

    @property
    def elements(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """The size in bytes."""
        return self.elements * int(self.dtype.itemsize)

    def pieces(self) -> Iterator[Tensor]:
        """All rows in order, some 64 MiB at a time."""
        if not self.shape:
            yield self.read(0, 1)
            return
        row_bytes = max(1, self.size_bytes // max(1, self.shape[0]))
        step = max(1, CHUNK_BYTES // row_bytes)
        for begin in range(0, self.shape[0], step):
            yield self.read(begin, min(begin + step, self.shape[0]))


def stored(tensor: Tensor) -> Rows:
    """A tensor in memory or in a memory map."""
    whole = tensor.detach()
    return Rows(tuple(tensor.shape), tensor.dtype, lambda begin, end: whole[begin:end] if whole.ndim else whole)


def joined(parts: Sequence[Rows], axis: int) -> Rows:
    """The concatenation of `parts` along `axis` 0 or 1."""
    first = parts[0]
    if len(parts) == 1:
        return first
    shape = list(first.shape)
    shape[axis] = sum(part.shape[axis] for part in parts)

    def beside(begin: int, end: int) -> Tensor:
        return torch.cat([part.read(begin, end) for part in parts], dim=1)

    def below(begin: int, end: int) -> Tensor:
        found, at = [], 0
        for part in parts:
            low, high = max(begin - at, 0), min(end - at, part.shape[0])
            if low < high:
                found.append(part.read(low, high))
            at += part.shape[0]
        return torch.cat(found)

    return Rows(tuple(shape), first.dtype, beside if axis else below)


def reordered(rows: Rows, order: Tensor) -> Rows:
    """The permutation whose row i is row ``order[i]`` of `rows`; nearby rows must come from nearby rows."""

    def read(begin: int, end: int) -> Tensor:
        wanted = order[begin:end]
        low, high = int(wanted.min()), int(wanted.max()) + 1
        return rows.read(low, high)[wanted - low]

    return Rows(rows.shape, rows.dtype, read)
