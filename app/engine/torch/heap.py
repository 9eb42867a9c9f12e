"""Makes glibc return memory freed while loading to the system at once, instead of keeping it on the heap.

Quantizing allocates and frees a few arrays of a layer's size, hundreds of times. glibc keeps freed blocks of up to
32 MiB on its heap once it has seen some; the heap fragments, and ends up larger than the quantized model (measured, nf4
in float32, 738 million parameters: 2,271 MiB of private memory once loaded; with this 1,127, of which 790 are the
model). Blocks that are mapped one by one are unmapped when they are freed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_M_MMAP_THRESHOLD = -3  # mallopt's number for it (malloc.h)
_WHILE_LOADING_BYTES = 1 << 20
_AFTERWARDS_BYTES = 32 << 20  # the maximum of glibc's dynamic threshold: computing reuses blocks of the same sizes


@contextmanager
def giving_back() -> Iterator[None]:
    """A context for loading, in which freed blocks go back to the system. No effect without glibc."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        yield
        return
    library.mallopt(_M_MMAP_THRESHOLD, _WHILE_LOADING_BYTES)
    try:
        yield
    finally:
        library.mallopt(_M_MMAP_THRESHOLD, _AFTERWARDS_BYTES)
        library.malloc_trim(0)
