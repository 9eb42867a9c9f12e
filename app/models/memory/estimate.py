"""MemoryEstimate: the memory a loaded model takes, by part and device."""

from __future__ import annotations

from dataclasses import dataclass, replace

MIB = 1 << 20
_GIB = 1 << 30
_PROMPT_CACHE_LOW, _PROMPT_CACHE_HIGH = 64 * MIB, 512 * MIB
_AUTO_KV_BYTES = _GIB  # limit for the KV caches when the number of slots is chosen automatically
_AUTO_SLOTS = 4


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """The memory of a loaded model, in bytes, with `slots` parallel replies of `context_tokens` each."""

    weights_bytes: int
    kv_bytes_per_token: int
    context_tokens: int  # per slot
    slots: int
    compute_bytes: int
    process_bytes: int
    keeps_prompts: bool = True  # whether the worker has a prompt cache beside its slots
    on_gpu: bool = False  # weights, KV cache and activations are in the GPU's memory, the process in RAM

    @property
    def kv_bytes(self) -> int:
        """KV caches of all slots."""
        return self.kv_bytes_per_token * self.context_tokens * self.slots

    @property
    def prompt_cache_bytes(self) -> int:
        """Size of the cache for conversations that are in no slot: one full slot, within limits."""
        if not self.keeps_prompts:
            return 0
        return clamp(self.kv_bytes_per_token * self.context_tokens, _PROMPT_CACHE_LOW, _PROMPT_CACHE_HIGH)

    @property
    def total_bytes(self) -> int:
        """The sum over all devices."""
        return self.ram_bytes + self.vram_bytes

    @property
    def ram_bytes(self) -> int:
        """RAM that must be free before the model is loaded."""
        return self.prompt_cache_bytes + self.process_bytes + (0 if self.on_gpu else self._device_bytes)

    @property
    def vram_bytes(self) -> int:
        """GPU memory that must be free before the model is loaded."""
        return self._device_bytes if self.on_gpu else 0

    @property
    def _device_bytes(self) -> int:
        return self.weights_bytes + self.kv_bytes + self.compute_bytes

    def with_slots(self, slots: int) -> MemoryEstimate:
        """The same model with another number of slots."""
        return replace(self, slots=slots)


def slots_for(context_tokens: int, kv_bytes_per_token: int, wanted: int = 0) -> int:
    """`wanted`; if 0, as many slots as keep their KV caches within 1 GiB: at least one, at most four."""
    if wanted:
        return wanted
    return clamp(_AUTO_KV_BYTES // max(1, context_tokens * kv_bytes_per_token), 1, _AUTO_SLOTS)


def clamp(value: int, low: int, high: int) -> int:
    """`value` limited to low … high."""
    return max(low, min(value, high))
