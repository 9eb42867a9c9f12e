"""Random LoRA weights of PEFT's layout, without PEFT."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.safetensors_files import build, table

# (rows, columns) of SmolLM2-135M's layers.
SMOLLM2: Mapping[str, tuple[int, int]] = {
    f"model.layers.{layer}.{module}": shape
    for layer in range(30)
    for module, shape in {
        "self_attn.q_proj": (576, 576),
        "self_attn.k_proj": (192, 576),
        "self_attn.v_proj": (192, 576),
        "mlp.down_proj": (576, 1536),
    }.items()
}


def random_lora(
    folder: Path, base: str, modules: Mapping[str, tuple[int, int]], seed: int = 0, *, size: float = 0.06, **config: Any
) -> Path:
    """An adapter of rank 4 whose numbers are spread by `size`, stored as bfloat16; `config` goes into its settings."""
    rank, chance = 4, np.random.default_rng(seed)
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {}
    for module, (rows, columns) in modules.items():
        shapes[f"base_model.model.{module}.lora_A.weight"] = ("BF16", (rank, columns))
        shapes[f"base_model.model.{module}.lora_B.weight"] = ("BF16", (rows, rank))
    count = sum(int(np.prod(shape)) for _, shape in shapes.values())
    numbers = (chance.normal(0, size, count).astype("<f4").view("<u4") >> 16).astype("<u2")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_model.safetensors").write_bytes(build(table(shapes), 0) + numbers.tobytes())
    settings = {"peft_type": "LORA", "r": rank, "lora_alpha": 8, "base_model_name_or_path": base}
    (folder / "adapter_config.json").write_text(json.dumps(settings | config))
    return folder


def read_f32(path: Path, name: str) -> np.ndarray[Any, Any]:
    """One bfloat16 tensor of a safetensors file as float32."""
    raw = path.read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    entry = json.loads(raw[8 : 8 + length])[name]
    begin, end = entry["data_offsets"]
    half = np.frombuffer(raw[8 + length + begin : 8 + length + end], "<u2").astype("<u4") << 16
    return half.view("<f4").reshape(entry["shape"])
