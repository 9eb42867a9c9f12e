"""Measures a packed ChatGLM in the engine's slots, in this process without server or worker; prints a line of JSON.

    python -m benchmarks.chatglm_process '{"folder": "…", "packed": "…", "threads": 2, "chats": [1, 4, 8], …}'

If `packed` has no packed file yet, this is a first start: the checkpoint is read and packed, a prompt is prefilled,
some tokens are decoded, and the packed file is written. Otherwise it is a later start from that file, and speed is
measured.

Memory is resident memory, including the pages of the mapped weights; the memory of Python and PyTorch before any model
is loaded is reported separately.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import AutoConfig

import app.families.chatglm  # noqa: F401  # registers it with transformers
from app.engine.torch.adapters import Adapters
from app.engine.torch.loading import Loaded
from app.engine.torch.packed_files import PACKED_FILE, load_packed, read_checkpoint, save_packed
from app.engine.torch.slot_model import SlotModel


class Measured:
    """The model, and the maximum length of each slot."""

    def __init__(self, model: Any, slots: int, tokens: int) -> None:
        self.config = model.config
        device = torch.device("cpu")
        loaded = Loaded(model, None, device, torch.bfloat16, frozenset(), Adapters())
        self._slots = SlotModel(loaded, slots, tokens)
        self._reached = [0] * slots
        self._random = torch.Generator().manual_seed(0)

    def prefill(self, slot: int, tokens: int) -> float:
        """Prefill speed in tokens/s for one prompt: random tokens, then [gMASK] and bos."""
        ids = [*self._noise(tokens - 2), self.config.gmask_token_id, self.config.bos_token_id]
        began = time.perf_counter()
        positions = self._slots.positions(ids)
        chunks = self._slots.prefill(
            slot, ids, cached=0, prefix=0, positions=positions, adapter=None, chunk=lambda: tokens
        )
        for _ in chunks:
            pass
        self._fill(slot, tokens)
        return tokens / (time.perf_counter() - began)

    def decode(self, chats: int, context: int, steps: int) -> float:
        """Decoding speed in tokens/s of all chats together, each after `context` arbitrary tokens."""
        ids = [*self._noise(context - 2), self.config.gmask_token_id, self.config.bos_token_id]
        position = self._slots.positions(ids)
        tokens, slots = self._noise(chats), list(range(chats))
        began = time.perf_counter()
        for step in range(steps):
            position = self._slots.next_positions(position)
            lengths = [context + step] * chats
            logits = self._slots.decode(slots, tokens, lengths, [0] * chats, [position] * chats, None)
            tokens = logits.argmax(-1).tolist()
        for slot in slots:
            self._fill(slot, context + steps)
        return chats * steps / (time.perf_counter() - began)

    @property
    def cache_bytes(self) -> int:
        """Bytes of the keys and values that were written."""
        per_token = 2 * self.config.num_layers * self.config.hidden_size * torch.bfloat16.itemsize
        return int(per_token * sum(self._reached))

    def _noise(self, n: int) -> list[int]:
        return torch.randint(20, 100_000, (n,), generator=self._random).tolist()  # type: ignore[no-any-return]

    def _fill(self, slot: int, tokens: int) -> None:
        self._reached[slot] = max(self._reached[slot], tokens)


def resident_bytes(*, peak: bool = False) -> int:
    """Resident memory of this process including mapped files, now or at its peak."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    name = "VmHWM:" if peak else "VmRSS:"
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith(name))


def first_start(given: dict[str, Any]) -> dict[str, Any]:
    """Read and pack the checkpoint, generate a little, save the packed file."""
    folder, packed = Path(given["folder"]), Path(given["packed"])
    config = AutoConfig.from_pretrained(folder)
    base = resident_bytes()
    began = time.perf_counter()
    model = read_checkpoint(folder, config, torch.bfloat16)
    load_s = time.perf_counter() - began
    loaded_peak = resident_bytes(peak=True)
    measured = Measured(model, max(given["chats"]), given["slot_tokens"])
    measured.prefill(0, max(given["prompts"]))
    measured.decode(max(given["chats"]), given["context"], 2)
    began = time.perf_counter()
    packed.mkdir(parents=True, exist_ok=True)
    save_packed(model, packed)
    tensors = {tensor.data_ptr(): tensor.nbytes for tensor in (*model.parameters(), *model.buffers())}
    return {
        "load_s": load_s,
        "save_s": time.perf_counter() - began,
        "weights_bytes": sum(tensors.values()),
        "cache_bytes": measured.cache_bytes,
        "base_bytes": base,
        "loaded_peak_bytes": loaded_peak,
        "peak_bytes": resident_bytes(peak=True),
    }


def later_start(given: dict[str, Any]) -> dict[str, Any]:
    """Load the packed file; measure each speed `repeats` times."""
    config = AutoConfig.from_pretrained(given["folder"])
    base = resident_bytes()
    began = time.perf_counter()
    model = load_packed(Path(given["packed"]), config, torch.bfloat16)
    found: dict[str, Any] = {"load_s": time.perf_counter() - began}
    measured = Measured(model, max(given["chats"]), given["slot_tokens"])
    measured.decode(1, given["context"], 1)
    found["first_token_s"] = time.perf_counter() - began  # every page of the weights was read
    repeats = range(given["repeats"])
    for tokens in given["prompts"]:
        found[f"prompt_{tokens}"] = [measured.prefill(0, tokens) for _ in repeats]
    for chats in given["chats"]:
        found[f"decode_{chats}"] = [measured.decode(chats, given["context"], given["steps"]) for _ in repeats]
    return found | {
        "cache_bytes": measured.cache_bytes,
        "base_bytes": base,
        "peak_bytes": resident_bytes(peak=True),
        "private_bytes": int(psutil.Process().memory_full_info().uss),
    }


def main() -> None:
    """Load, measure, print."""
    given = json.loads(sys.argv[1])
    torch.set_num_threads(given["threads"])
    with torch.inference_mode():
        is_packed = (Path(given["packed"]) / PACKED_FILE).is_file()
        print(json.dumps(later_start(given) if is_packed else first_start(given)))


if __name__ == "__main__":
    main()
