"""What loading drops goes back to the system."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the extra torch")
psutil = pytest.importorskip("psutil")

from app.engine.torch.heap import giving_back  # noqa: E402

_BLOCK, _COUNT = 2 << 20, 60  # bytes
_WARM = 30 << 20  # one such block is freed, and glibc takes smaller ones from its heap from then on


def test_blocks_that_are_dropped_between_kept_ones_are_given_back() -> None:
    torch.ones(_WARM, dtype=torch.uint8)
    process = psutil.Process()
    before = process.memory_info().rss
    with giving_back():
        blocks = [torch.ones(_BLOCK, dtype=torch.uint8) for _ in range(_COUNT)]
        assert process.memory_info().rss - before > _BLOCK * _COUNT * 0.8
        kept = blocks[::10]
        del blocks
        assert process.memory_info().rss - before < _BLOCK * (len(kept) + 6)
    assert all(block.all() for block in kept)
