"""How much memory a model takes, and how much there is.

The estimate is for llama.cpp (``xllamacpp``), the figures measured on a CPU, in MiB resident:

=================  =============  =============  =============
                   SmolLM2-135M   SmolLM2-135M   LLaMA-7B
                   Q4_1           Q4_1           q4_0
                   1 × 2,048      4 × 4,096      1 × 512        slots × context tokens
=================  =============  =============  =============
weights                       94             94          3,679  read into memory, whether or not they are rearranged
KV cache                      45            360            256  as computed from the header, to the byte
compute buffer                 8              9             55  formula below
process beside it             72             72             72  Python, libraries, vocabulary, scores
promised                     219            535          4,062
measured                     216            525          4,031  without kept prompts, which come on top
=================  =============  =============  =============

The compute buffer holds the activations of one batch of 128 tokens (three feed-forward and five hidden rows, in
float32) and the attention mask (half precision). Other architectures have wider graphs, so twice that is promised.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from app.weights.formats.gguf import GGUFHeader

_MIB = 1 << 20
_GIB = 1 << 30
_BATCH_TOKENS = 128  # what the worker reads at once
_PROCESS_BYTES = 72 * _MIB
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
    return estimate_llama_cpp(
        weights_bytes,
        header.kv_bytes_per_token,
        header.embedding,
        header.feed_forward,
        context_tokens=min(context_tokens, header.context_tokens or context_tokens),
        slots=slots,
    )


def estimate_llama_cpp(
    weights_bytes: int,
    kv_bytes_per_token: int,
    embedding: int,
    feed_forward: int,
    *,
    context_tokens: int,
    slots: int = 0,
) -> MemoryEstimate:
    """The estimate by a model's widths, in numbers, and its weights."""
    row_bytes = 4 * (3 * feed_forward + 5 * embedding) + 2 * context_tokens
    return MemoryEstimate(
        weights_bytes=weights_bytes,
        kv_bytes_per_token=kv_bytes_per_token,
        context_tokens=context_tokens,
        slots=slots_for(context_tokens, kv_bytes_per_token, slots),
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
        compute_bytes=max(8 * _MIB, weights_bytes // 64),
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
