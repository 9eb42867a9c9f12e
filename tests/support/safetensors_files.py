"""Make small safetensors files and Hugging Face folders, right and wrong ones: nothing is shared with the reader."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Tensors = Mapping[str, tuple[str, tuple[int, ...]]]  # name → type, shape

BYTES = {"F32": 4, "F16": 2, "BF16": 2, "I8": 1, "I64": 8}


def table(tensors: Tensors) -> dict[str, Any]:
    """The header's table, with every tensor in its place."""
    found: dict[str, Any] = {}
    at = 0
    for name, (dtype, shape) in tensors.items():
        end = at + math.prod(shape) * BYTES[dtype]
        found[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    return found


def build(header: Mapping[str, Any] | bytes, data_bytes: int) -> bytes:
    """A file of this header and so much data."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + bytes(data_bytes)


def write(path: Path, tensors: Tensors) -> Path:
    """A file of zeros."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size = sum(math.prod(shape) * BYTES[dtype] for dtype, shape in tensors.values())
    path.write_bytes(build(table(tensors), size))
    return path


def write_sharded(folder: Path, tensors: Tensors, parts: int) -> Path:
    """`tensors` over several files, with their index."""
    names, places = list(tensors), {}
    for part in range(parts):
        shard = f"model-{part + 1:05d}-of-{parts:05d}.safetensors"
        chosen = names[part::parts]
        write(folder / shard, {name: tensors[name] for name in chosen})
        places |= dict.fromkeys(chosen, shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return folder


LLAMA_CONFIG: Mapping[str, Any] = {
    **{"model_type": "llama", "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "vocab_size": 32},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256, "torch_dtype": "bfloat16"},
    "tie_word_embeddings": False,
}


def llama_tensors() -> dict[str, tuple[str, tuple[int, ...]]]:
    """The tensors of a model of that configuration."""
    found: dict[str, tuple[str, tuple[int, ...]]] = {
        "model.embed_tokens.weight": ("BF16", (32, 8)),
        "model.norm.weight": ("BF16", (8,)),
        "lm_head.weight": ("BF16", (32, 8)),
    }
    for i in range(2):
        layer = f"model.layers.{i}"
        found |= {
            f"{layer}.input_layernorm.weight": ("BF16", (8,)),
            f"{layer}.post_attention_layernorm.weight": ("BF16", (8,)),
            f"{layer}.self_attn.q_proj.weight": ("BF16", (8, 8)),
            f"{layer}.self_attn.k_proj.weight": ("BF16", (4, 8)),
            f"{layer}.self_attn.v_proj.weight": ("BF16", (4, 8)),
            f"{layer}.self_attn.o_proj.weight": ("BF16", (8, 8)),
            f"{layer}.mlp.gate_proj.weight": ("BF16", (16, 8)),
            f"{layer}.mlp.up_proj.weight": ("BF16", (16, 8)),
            f"{layer}.mlp.down_proj.weight": ("BF16", (8, 16)),
        }
    return found


def write_llama(folder: Path, **changes: Any) -> Path:
    """A whole folder; `changes` go into its configuration."""
    write(folder / "model.safetensors", llama_tensors())
    (folder / "config.json").write_text(json.dumps({**LLAMA_CONFIG, **changes}))
    (folder / "tokenizer.json").write_text("{}")
    return folder


def write_lora(folder: Path, base: str, modules: Mapping[str, tuple[int, int]], rank: int = 2, **changes: Any) -> Path:
    """LoRA weights for `modules` (name → rows, columns) of the model `base`."""
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {}
    for module, (rows, columns) in modules.items():
        tensors[f"base_model.model.{module}.lora_A.weight"] = ("F32", (rank, columns))
        tensors[f"base_model.model.{module}.lora_B.weight"] = ("F32", (rows, rank))
    write(folder / "adapter_model.safetensors", tensors)
    config = {"peft_type": "LORA", "r": rank, "base_model_name_or_path": base, "target_modules": list(modules)}
    (folder / "adapter_config.json").write_text(json.dumps({**config, **changes}))
    return folder
