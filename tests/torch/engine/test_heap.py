"""What loading drops goes back to the system."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

# In a process of its own: in an old one, blocks come from what its heap has free already.
SCRIPT = """
import json
import psutil
from app.engine.torch.heap import giving_back

def block(size):
    return bytearray(b"1") * size

block(30 << 20)  # one such block is freed, and glibc takes smaller ones from its heap from then on
process = psutil.Process()
before = process.memory_info().rss
with giving_back():
    blocks = [block(2 << 20) for _ in range(60)]
    all_there = process.memory_info().rss - before
    kept = blocks[::10]
    del blocks
    some_there = process.memory_info().rss - before
assert all(set(block) == {ord("1")} for block in kept)
print(json.dumps([all_there >> 20, some_there >> 20, len(kept)]))
"""


def test_blocks_that_are_dropped_between_kept_ones_are_given_back() -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True
    )
    all_mib, some_mib, kept = json.loads(run.stdout)
    assert all_mib > 60 * 2 * 0.8
    assert some_mib < (kept + 6) * 2
