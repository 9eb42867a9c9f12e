"""How much memory a model takes, and how much there is.

The estimate is for llama.cpp (``xllamacpp``), the figures measured with SmolLM2-135M Q4_1 on a CPU:

=================  =========  ============  ============
                   1 × 4,096  4 × 4,096     1 × 8,192      slots × context tokens
=================  =========  ============  ============
weights            92.1 MiB   92.1 MiB      92.1 MiB
KV cache           90.0 MiB   360.0 MiB     180.0 MiB      as computed from the header, to the byte
compute buffer     18.6 MiB   18.6 MiB      22.6 MiB       formula below: 18.6, 18.6, 22.6
process beside it  39 MiB     40 MiB        35 MiB         Python, libraries, vocabulary
=================  =========  ============  ============

The compute buffer holds the activations of one batch of 512 tokens (three feed-forward and five hidden rows, in
float32) and the attention mask (half precision). Other architectures have wider graphs, so twice that is promised.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from app.registry.formats.gguf import GGUFHeader

_MIB = 1 << 20
_GIB = 1 << 30
_BATCH_TOKENS = 512  # as above; the worker takes fewer, so this errs upwards
_PROCESS_BYTES = 64 * _MIB
_PROMPT_CACHE_LOW, _PROMPT_CACHE_HIGH = 64 * _MIB, 512 * _MIB
_AUTO_KV_BYTES = _GIB  # what slots chosen by ourselves may take for their caches
_AUTO_SLOTS = 4


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """What a loaded model takes, in bytes, with `slots` replies at once of `context_tokens` each."""

    weights_bytes: int
    kv_bytes_per_token: int
    context_tokens: int  # of one slot
    slots: int
    compute_bytes: int
    process_bytes: int = _PROCESS_BYTES
    keeps_prompts: bool = True  # whether the worker has a place for prompts beside its slots

    @property
    def kv_bytes(self) -> int:
        """The caches of all slots."""
        return self.kv_bytes_per_token * self.context_tokens * self.slots

    @property
    def prompt_cache_bytes(self) -> int:
        """What the worker may keep of conversations that are in no slot now: one full slot's worth, within limits."""
        if not self.keeps_prompts:
            return 0
        return clamp(self.kv_bytes_per_token * self.context_tokens, _PROMPT_CACHE_LOW, _PROMPT_CACHE_HIGH)

    @property
    def total_bytes(self) -> int:
        """Everything together: what must be free before the model is loaded."""
        return self.weights_bytes + self.kv_bytes + self.compute_bytes + self.prompt_cache_bytes + self.process_bytes


def estimate_from_header(
    header: GGUFHeader, weights_bytes: int, *, context_tokens: int, slots: int = 0
) -> MemoryEstimate:
    """The estimate for a GGUF file; the context is cut to the model's own, `slots` 0 follows :func:`slots_for`."""
    context = min(context_tokens, header.context_tokens or context_tokens)
    row_bytes = 4 * (3 * header.feed_forward + 5 * header.embedding) + 2 * context
    return MemoryEstimate(
        weights_bytes=weights_bytes,
        kv_bytes_per_token=header.kv_bytes_per_token,
        context_tokens=context,
        slots=slots_for(context, header.kv_bytes_per_token, slots),
        compute_bytes=2 * _BATCH_TOKENS * row_bytes,
    )


def estimate_unseen(
    weights_bytes: int, kv_bytes_per_token: int, *, context_tokens: int, slots: int = 0
) -> MemoryEstimate:
    """The estimate before there is a header to read, from what the manifest says; the compute buffer is a guess."""
    return MemoryEstimate(
        weights_bytes=weights_bytes,
        kv_bytes_per_token=kv_bytes_per_token,
        context_tokens=context_tokens,
        slots=slots_for(context_tokens, kv_bytes_per_token, slots),
        compute_bytes=max(32 * _MIB, weights_bytes // 16),
    )


def slots_for(context_tokens: int, kv_bytes_per_token: int, wanted: int = 0) -> int:
    """`wanted`, or as many as keep their caches within 1 GiB: at least one, at most four."""
    if wanted:
        return wanted
    return clamp(_AUTO_KV_BYTES // max(1, context_tokens * kv_bytes_per_token), 1, _AUTO_SLOTS)


def clamp(value: int, low: int, high: int) -> int:
    """`value`, moved into low … high."""
    return max(low, min(value, high))


def total_bytes(root: Path = Path("/")) -> int:
    """The machine's memory, or what the container (control group) may have of it."""
    limits = [limit for limit, _ in _control_groups(root)]
    return min([psutil.virtual_memory().total, *limits])


def available_bytes(root: Path = Path("/")) -> int:
    """Memory that can be had now without swapping, within the container's limit."""
    left = [max(0, limit - used) for limit, used in _control_groups(root)]
    return min([psutil.virtual_memory().available, *left])


def _control_groups(root: Path) -> Iterator[tuple[int, int]]:
    """(limit, used) of each limited control group above this process, versions 1 and 2; caches don't count as used.

    Inside a container the path that the kernel names may lie outside of what is mounted: then the mount's top counts.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # no such thing on this system
        return
    mount = root / "sys/fs/cgroup"
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, limit, used, idle = mount, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            base, limit, used = mount / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            idle = "total_inactive_file"
        else:
            continue
        group = base / path.lstrip("/")
        for folder in (group, *group.parents):
            pair = _limit_and_use(folder / limit, folder / used, folder / "memory.stat", idle)
            if pair is not None:
                yield pair
            if folder == base:
                break


def _limit_and_use(limit: Path, used: Path, stat: Path, idle: str) -> tuple[int, int] | None:
    try:
        allowed = int(limit.read_text(encoding="ascii"))
        taken = int(used.read_text(encoding="ascii"))
        reclaimable = dict(line.split() for line in stat.read_text(encoding="ascii").splitlines()).get(idle, "0")
    except (OSError, ValueError):  # not there, or "max": no limit
        return None
    return allowed, max(0, taken - int(reclaimable))
