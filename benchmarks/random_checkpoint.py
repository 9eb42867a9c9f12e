"""Writes a random model in the shape of a published one as a Hugging Face folder, for measurements.

    python -m benchmarks.random_checkpoint llama-7b FOLDER --tokenizer TOKENIZER_FOLDER
    python -m benchmarks.random_checkpoint bloom-7b FOLDER --tokenizer TOKENIZER_FOLDER

Speed and memory are those of the real model; its text is noise. float16, in shards of one layer, 13.5 and 14.1 GB. All
tensors take their values from one long row of normal numbers, at different offsets, so that writing is as fast as the
disk.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shutil
import struct
import zlib
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

import numpy as np

from app.weights.architectures import expected_for
from app.weights.architectures.base import Expected

# As published, without names and settings that are not needed for loading.
CONFIGS: Mapping[str, Mapping[str, object]] = {
    "llama-7b": {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
        "vocab_size": 32000,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "torch_dtype": "float16",
    },
    "bloom-7b": {
        "architectures": ["BloomForCausalLM"],
        "model_type": "bloom",
        "hidden_size": 4096,
        "n_layer": 30,
        "n_head": 32,
        "layer_norm_epsilon": 1e-5,
        "seq_length": 2048,
        "vocab_size": 250880,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 3,
        "unk_token_id": 0,
        "torch_dtype": "float16",
    },
}
_ROW_VALUES = 1 << 24
_LAYER = re.compile(r"\.(?:layers|h)\.(\d+)\.")


def write(name: str, folder: Path, tokenizer: Path | None = None, layers: int = 0) -> None:
    """Write config.json, shards, their index, and the files of a tokenizer."""
    config = dict(CONFIGS[name])
    if layers:
        config["num_hidden_layers" if "num_hidden_layers" in config else "n_layer"] = layers
    expected = expected_for(config)
    assert expected is not None
    folder.mkdir(parents=True, exist_ok=True)
    row = np.random.default_rng(0).standard_normal(_ROW_VALUES, dtype=np.float32)
    shards = [list(tensors) for _, tensors in groupby((t for t in expected if t.required), _shard)]
    weight_map: dict[str, str] = {}
    for number, tensors in enumerate(shards, start=1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        _write_shard(folder / file, tensors, row)
        weight_map |= dict.fromkeys((tensor.name for tensor in tensors), file)
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": weight_map}), "utf-8"
    )
    (folder / "config.json").write_text(json.dumps(config, indent=1), "utf-8")
    for path in sorted(tokenizer.iterdir()) if tokenizer else ():
        if path.is_file() and (path.name.startswith("tokenizer") or path.name == "special_tokens_map.json"):
            shutil.copyfile(path, folder / path.name)


def _shard(tensor: Expected) -> str:
    match = _LAYER.search(tensor.name)
    return match[1] if match else tensor.name


def _write_shard(path: Path, tensors: list[Expected], row: np.ndarray) -> None:
    table: dict[str, object] = {}
    at = 0
    for tensor in tensors:
        end = at + 2 * math.prod(tensor.shape)
        table[tensor.name] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    header = json.dumps(table).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for tensor in tensors:
            for piece in _values(tensor, row):
                file.write(piece.tobytes())


def _values(tensor: Expected, row: np.ndarray) -> Iterator[np.ndarray]:
    """A tensor's values: norms near 1, matrices scaled to keep activations near 1."""
    matrix = len(tensor.shape) > 1
    scale = tensor.shape[-1] ** -0.5 if matrix else 0.02
    middle = 1.0 if not matrix and tensor.name.endswith("weight") else 0.0
    half = (row * scale + middle).astype(np.float16)
    left, begin = math.prod(tensor.shape), zlib.crc32(tensor.name.encode()) % _ROW_VALUES
    while left:
        piece = half[begin : begin + left]
        yield piece
        left, begin = left - len(piece), 0


def main(arguments: list[str] | None = None) -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=sorted(CONFIGS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tokenizer", type=Path, help="a folder with a tokenizer's files")
    parser.add_argument("--layers", type=int, default=0, help="fewer than published")
    given = parser.parse_args(arguments)
    write(given.model, given.folder, given.tokenizer, given.layers)


if __name__ == "__main__":
    main()
