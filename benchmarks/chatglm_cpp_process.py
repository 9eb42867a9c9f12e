"""ChatGLM-6B in chatglm.cpp (package chatglm-cpp 0.4.2): writes a model file, measures the speed in this process.

    python -m benchmarks.chatglm_cpp_process write FILE ice_text.model           a random ChatGLM-6B in Q4_0, 3.5 GB
    PEER_PYTHON benchmarks/chatglm_cpp_process.py measure '{"file": "FILE", …}'   a line of JSON

The package needs a separate environment, in which `measure` runs: this module imports nothing of Parley, and only NumPy
and psutil besides. To create that environment, with a C++ compiler:

    CMAKE_POLICY_VERSION_MINIMUM=3.5 pip install numpy psutil chatglm-cpp==0.4.2

The package's own `generate` does not work in that version, so this calls the function for a single token.
"""

from __future__ import annotations

import json
import random
import struct
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import psutil

LAYERS, HIDDEN, INNER, HEADS, VOCABULARY = 28, 4096, 16384, 32, 130528
CONTEXT_TOKENS, EOS, PAD, GMASK, BOS = 2048, 130005, 3, 130001, 130004

_F32, _Q4_0 = 0, 2  # ggml's numbers
_ALIGNMENT = 16  # of a tensor's data in the file
_BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])  # 32 columns
_RMS = 4.64  # of uniform values -8..7


def write(path: Path, tokenizer: Path) -> None:
    """Write a model file with random weights in the published model's sizes.

    Layout: magic, model type, version, sizes, the tokenizer's proto; then name, shape, type and data of each tensor.
    """
    numbers = np.random.default_rng(0)
    proto = tokenizer.read_bytes()
    sizes = (_Q4_0, VOCABULARY, HIDDEN, HEADS, HEADS, LAYERS, INNER, 1e-5, 0, 10_000.0, CONTEXT_TOKENS, EOS, PAD)
    with path.open("wb") as file:
        file.write(b"ggml" + struct.pack("<2i", 1, 2))
        file.write(struct.pack("<7ififiii", *sizes))
        file.write(struct.pack("<i", len(proto)) + proto)
        _write_matrix(file, numbers, "transformer.word_embeddings.weight", VOCABULARY, HIDDEN, 0.02)
        for layer in range(LAYERS):
            _write_layer(file, numbers, f"transformer.layers.{layer}.")
        _write_norm(file, numbers, "transformer.final_layernorm")


def _write_layer(file: BinaryIO, numbers: np.random.Generator, prefix: str) -> None:
    _write_norm(file, numbers, f"{prefix}input_layernorm")
    _write_norm(file, numbers, f"{prefix}post_attention_layernorm")
    for name, rows, columns in (
        ("attention.query_key_value", 3 * HIDDEN, HIDDEN),
        ("attention.dense", HIDDEN, HIDDEN),
        ("mlp.dense_h_to_4h", INNER, HIDDEN),
        ("mlp.dense_4h_to_h", HIDDEN, INNER),
    ):
        _write_matrix(file, numbers, f"{prefix}{name}.weight", rows, columns, columns**-0.5)
        _write_vector(file, f"{prefix}{name}.bias", numbers.normal(0, 0.02, rows))


def _write_norm(file: BinaryIO, numbers: np.random.Generator, name: str) -> None:
    _write_vector(file, f"{name}.weight", numbers.normal(1, 0.1, HIDDEN))
    _write_vector(file, f"{name}.bias", numbers.normal(0, 0.1, HIDDEN))


def _write_vector(file: BinaryIO, name: str, values: Any) -> None:
    _write_tensor(file, name, (len(values),), _F32, values.astype("<f4"))


def _write_matrix(file: BinaryIO, numbers: np.random.Generator, name: str, rows: int, columns: int, std: float) -> None:
    """Write a Q4_0 matrix with about the standard deviation `std`."""
    blocks = np.empty(rows * columns // 32, dtype=_BLOCK)
    blocks["scale"] = numbers.uniform(0.8, 1.2, len(blocks)) * (std / _RMS)
    blocks["nibbles"] = numbers.integers(0, 256, (len(blocks), 16), dtype=np.uint8)
    _write_tensor(file, name, (rows, columns), _Q4_0, blocks)


def _write_tensor(file: BinaryIO, name: str, shape: tuple[int, ...], kind: int, data: Any) -> None:
    encoded = name.encode()
    file.write(struct.pack("<i", len(encoded)) + encoded)
    file.write(struct.pack(f"<{len(shape) + 2}i", len(shape), *shape, kind))
    file.write(bytes(-file.tell() % _ALIGNMENT))
    data.tofile(file)


def measure(given: dict[str, Any]) -> dict[str, Any]:
    """Measure loading, prefill and decoding of one chat, `repeats` times. It uses all cores, its default."""
    import chatglm_cpp  # type: ignore[import-not-found]

    began = time.perf_counter()
    pipeline = chatglm_cpp.Pipeline(given["file"])
    found: dict[str, Any] = {"load_s": time.perf_counter() - began}
    model = pipeline.model
    settings = chatglm_cpp._C.GenerationConfig(max_length=CONTEXT_TOKENS, do_sample=False)

    def step(ids: list[int], past: int, context: int) -> int:
        return int(model.generate_next_token(ids, None, settings, past, context))

    step(_noise(16), 0, 16)
    found["first_token_s"] = time.perf_counter() - began
    for tokens in given["prompts"]:
        found[f"prompt_{tokens}"] = []
        for _ in range(given["repeats"]):
            ids, began = _noise(tokens), time.perf_counter()
            step(ids, 0, tokens)
            found[f"prompt_{tokens}"].append(tokens / (time.perf_counter() - began))
    found["decode_1"] = []
    for _ in range(given["repeats"]):
        ids = _noise(given["context"])
        ids.append(step(ids, 0, given["context"]))
        began = time.perf_counter()
        for _ in range(given["steps"]):
            ids.append(step(ids, len(ids) - 1, given["context"]))
        found["decode_1"].append(given["steps"] / (time.perf_counter() - began))
    return found | {"private_bytes": int(psutil.Process().memory_full_info().uss)}


def _noise(tokens: int) -> list[int]:
    return [*(random.randrange(20, 100_000) for _ in range(tokens - 2)), GMASK, BOS]


def main(arguments: list[str]) -> None:
    """`write FILE TOKENIZER` or `measure JSON`."""
    if arguments[0] == "write":
        write(Path(arguments[1]), Path(arguments[2]))
    else:
        print(json.dumps(measure(json.loads(arguments[1]))))


if __name__ == "__main__":
    main(sys.argv[1:])
