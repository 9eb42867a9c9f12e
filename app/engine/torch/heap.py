"""Returns memory that loading used to the system at once, instead of keeping it on the heap.

Quantizing makes and drops a few arrays of a layer's size, hundreds of times. glibc keeps freed blocks of up to 32 MiB
for itself once it has seen some; they break into pieces that fit nothing else, and the process ends up with more of
them than the quantized model takes (measured, nf4 in float32, 738 million parameters: 2,271 MiB of memory of its own
when all is loaded; with this 1,127, of which 790 are the model). Blocks that are mapped one by one are unmapped when
they are freed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_M_MMAP_THRESHOLD = -3  # mallopt's number for it (malloc.h)
_WHILE_LOADING_BYTES = 1 << 20
_AFTERWARDS_BYTES = 32 << 20  # where glibc's own adjustment ends: computing takes blocks of one size again and again


@contextmanager
def giving_back() -> Iterator[None]:
    """For the time of loading. Does nothing where the C library is not glibc."""
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
