"""Converts LoRA weights from PEFT's layout to a GGUF adapter, which llama.cpp applies to a GGUF model.

    adapter_model.safetensors                                  the GGUF file
    base_model.model.<module>.lora_A.weight [rank, columns]    <tensor of the base>.lora_a
    base_model.model.<module>.lora_B.weight [rows, rank]       <tensor of the base>.lora_b

llama.cpp scales by alpha / rank of each pair. Where PEFT uses another scaling (rsLoRA, alpha per module), B is
multiplied by the ratio. Where the rows of the base are in another order than in the checkpoint, the rows of B are
permuted likewise. Values are written as float32, which represents every bf16 and f16 exactly.

Format: "adapter" in https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from app.errors import DamagedWeights, FetchFailed
from app.system.disk import DISK_FULL
from app.weights.converting.converter import Part, converter_for_gguf
from app.weights.converting.rows import Floats, read_rows
from app.weights.formats.adapter_folder import describe_adapter
from app.weights.formats.checkpoint import damaged, inside
from app.weights.formats.gguf import GGUFHeader, read_header
from app.weights.formats.lora_names import UnknownModule, base_tensors
from app.weights.formats.lora_weights import LORA_CONFIG, LORA_WEIGHTS, LoraModule, LoraWeights, read_lora

_FORM = 1  # version of this conversion: cached files of another version are not used


def gguf_adapter(folder: Path, base: GGUFHeader, cache_dir: Path) -> Path:
    """The adapter in `folder` as a GGUF file for `base`: the file itself, or a conversion in ``<cache_dir>/lora``.

    **Blocks**. Raises :class:`DamagedWeights` for an adapter that is damaged or made for another architecture, and
    :class:`FetchFailed` where the conversion can't be written.
    """
    adapter = describe_adapter(folder)
    if adapter.kind == "gguf":
        return inside(folder, adapter.file)
    try:
        target = cache_dir / "lora" / f"{_digest(folder, base)}.gguf"
        if not _is_complete(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            convert_lora(folder, base, target)
    except OSError as err:
        raise _disk_error(folder, err) from err
    return target


def convert_lora(folder: Path, base: GGUFHeader, target: Path) -> None:
    """Write the LoRA weights in `folder` to `target`, atomically. Shapes are not checked against the base.

    Raises :class:`DamagedWeights`, ``OSError``.
    """
    lora = read_lora(folder, describe_adapter(folder).config)
    draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
    try:
        _write(draft, folder, lora, base)
        read_header(draft)
        draft.replace(target)
    except UnknownModule as unknown:
        raise damaged(folder, f"{unknown}.") from unknown
    finally:
        draft.unlink(missing_ok=True)


def _write(path: Path, folder: Path, lora: LoraWeights, base: GGUFHeader) -> None:
    writer = gguf.GGUFWriter(path, base.architecture)
    try:
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, lora.config.alpha)
        writer.add_name(folder.name)
        tensors = base_tensors(base.architecture, lora.modules)
        for tensor, name in tensors.items():
            module = lora.modules[name]
            for side, stored in (("a", module.a), ("b", module.b)):
                form = np.dtype(np.float32)
                writer.add_tensor_info(f"{tensor}.lora_{side}", stored.shape, form, stored.elements * form.itemsize)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor, name in tensors.items():
            for values in _values(folder, lora, base, tensor, name):
                writer.write_tensor_data(values)
    finally:
        writer.close()


def _values(folder: Path, lora: LoraWeights, base: GGUFHeader, tensor: str, name: str) -> Iterator[Floats]:
    """A and B of one module in llama.cpp's layout."""
    module = lora.modules[name]
    with inside(folder, LORA_WEIGHTS).open("rb") as file:
        yield read_rows(file, module.a, Part(tensor, module.a.shape, module.a_name), 0, module.rank)
        order = _row_order(folder, base, tensor, module)
        b = read_rows(file, module.b, Part(tensor, module.b.shape, module.b_name, order), 0, module.rows)
    theirs = lora.config.alpha / module.rank
    yield b * np.float32(lora.config.scaling(name, module.rank) / theirs)


def _row_order(folder: Path, base: GGUFHeader, tensor: str, module: LoraModule) -> NDArray[np.intp] | None:
    """The permutation of rows from the checkpoint to the base's GGUF file; ``None`` where the order is the same."""
    layer, kind = int(tensor.split(".")[1]), tensor.split(".")[2]
    heads_kv = base.heads_kv[layer] if layer < len(base.heads_kv) else 0
    converter = converter_for_gguf(base.architecture)
    order = None if converter is None else converter.row_order(kind, base.heads, heads_kv, base.key_length)
    if order is None:
        return None
    if len(order) != module.rows:
        raise damaged(folder, f"is made for another model: {tensor} has {len(order)} rows there, not {module.rows}.")
    return order


def _digest(folder: Path, base: GGUFHeader) -> str:
    """The cache key of a conversion: the adapter's files, and the properties of the base that affect the result."""
    kind = f"{_FORM} {base.architecture} {base.heads} {base.heads_kv} {base.key_length}\n"
    found = hashlib.sha256(kind.encode())
    for name in (LORA_CONFIG, LORA_WEIGHTS):
        with inside(folder, name).open("rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()


def _is_complete(path: Path) -> bool:
    with contextlib.suppress(DamagedWeights):
        return path.is_file() and read_header(path).kind == "adapter"
    return False


def _disk_error(folder: Path, err: OSError) -> FetchFailed:
    if err.errno in DISK_FULL:
        return FetchFailed(
            f"{folder.name} can't be converted: the disk is full. Free some space, then load the model again."
        )
    return FetchFailed(f"{folder.name} can't be converted: {err.strerror}. Fix that, then load the model again.")
