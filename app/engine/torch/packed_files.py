"""Reads and writes packed models without holding the weights in memory twice.

:func:`read_checkpoint` reads a quantized ChatGLM checkpoint tensor by tensor and packs each matrix as soon as it is
read. :func:`save_packed` saves the result, and :func:`load_packed` maps that file into memory: pages are read on first
use and never copied, and under memory pressure the system may drop them and read them again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, GenerationConfig

from app.engine.torch.packing import QUANTIZED, PackedInt4Embedding, Packer, pack_for_inference
from app.system.disk import sync

PACKED_FILE = "packed.safetensors"
_SHARED = "shared"  # metadata key: names of tensors that are the same as another one → that one's name
_GENERATION_CONFIG = "generation_config.json"


def read_checkpoint(folder: Path, config: Any, dtype: torch.dtype) -> Any:
    """The model in `folder` (``*.safetensors``), packed, its floating-point tensors in `dtype`; in evaluation mode.

    Raises :class:`ValueError` for files that are damaged or lack tensors.
    """
    model = _empty_model(config, dtype)
    packer = Packer(model)
    tied = bool(config.tie_word_embeddings)
    head_name = next(name for name, module in model.named_modules() if module is model.get_output_embeddings())
    for name, tensor in _tensors(folder):
        module_name, _, _ = name.rpartition(".")
        if tied and module_name == head_name:
            continue  # tied: the embedding takes precedence over a head in the file
        module = _assign(model, name, tensor, dtype)
        if isinstance(module, QUANTIZED) and not _missing(module):
            packer.pack(module_name)
        del module, tensor
    if tied and isinstance(head := model.get_output_embeddings(), nn.Linear):
        head.weight = model.get_input_embeddings().weight
    return _finished(model, folder)


def save_packed(model: Any, folder: Path) -> None:
    """Write the packed `model` into the existing `folder`. Raises :class:`OSError`."""
    tensors: dict[str, Tensor] = {}
    shared: dict[str, str] = {}
    first: dict[tuple[int, torch.Size], str] = {}
    for name, tensor in model.state_dict().items():
        original = first.setdefault((tensor.data_ptr(), tensor.shape), name)
        if original == name:
            tensors[name] = tensor
        else:
            shared[name] = original
    path = folder / PACKED_FILE
    save_file(tensors, path, metadata={"format": "pt", _SHARED: json.dumps(shared)})
    sync(path)  # before the folder is renamed to its final name
    model.generation_config.save_pretrained(folder)


def load_packed(folder: Path, config: Any, dtype: torch.dtype) -> Any:
    """Load a model written by :func:`save_packed` for this instruction set; `config` is the checkpoint's.

    The tensors are views of the mapped file: do not change them. Raises :class:`ValueError` for a damaged file.
    """
    model = _empty_model(config, dtype)
    pack_for_inference(model)
    path = folder / PACKED_FILE
    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  # no mapping
                _assign(model, name, file.get_tensor(name), None)
            shared: dict[str, str] = json.loads(file.metadata()[_SHARED])
    except SafetensorError as err:
        raise ValueError(f"{path} is damaged ({err}). Delete it; it will be created again.") from err
    for name, original in shared.items():
        _assign(model, name, _tensor(model, original), None)
    if isinstance(embedding := model.get_input_embeddings(), PackedInt4Embedding):
        embedding.share(model.get_output_embeddings())
    return _finished(model, folder)


def _empty_model(config: Any, dtype: torch.dtype) -> Any:
    """The model with all tensors on the meta device."""
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="sdpa")


def _tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Names and memory-mapped tensors of all files.

    A file is mapped again for each tensor: pages read through a mapping count as process memory until it is closed.
    """
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise ValueError(f"There are no weights (*.safetensors) in {folder}.")
    for path in paths:
        try:
            with safe_open(path, framework="pt") as file:
                names = list(file.keys())
            for name in names:
                with safe_open(path, framework="pt") as file:
                    yield name, file.get_tensor(name)
        except SafetensorError as err:
            raise ValueError(f"{path} is damaged ({err}). Download the model again.") from err


def _assign(model: nn.Module, name: str, tensor: Tensor, dtype: torch.dtype | None) -> nn.Module | None:
    """Set the tensor `name`, a parameter copied in `dtype` if given; returns its module, ``None`` if there is none."""
    module_name, _, leaf = name.rpartition(".")
    try:
        module = model.get_submodule(module_name)
    except AttributeError:
        return None
    if leaf in module._parameters:
        value = tensor if dtype is None else tensor.to(dtype, copy=True)
        module._parameters[leaf] = nn.Parameter(value, requires_grad=False)
    elif leaf in module._buffers:
        module._buffers[leaf] = tensor
    else:
        return None
    return module


def _tensor(model: nn.Module, name: str) -> Tensor:
    module_name, _, leaf = name.rpartition(".")
    found: Tensor = getattr(model.get_submodule(module_name), leaf)
    return found


def _missing(module: nn.Module) -> list[str]:
    """Names of the tensors that are still on the meta device."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return [name for name, tensor in tensors.items() if tensor.is_meta and tensor.numel()]


def _finished(model: Any, folder: Path) -> Any:
    for module in model.modules():
        for name, buffer in module._buffers.items():
            if buffer is not None and buffer.is_meta and not buffer.numel():  # an empty buffer, used only for its dtype
                module._buffers[name] = torch.empty_like(buffer, device="cpu")
    if missing := _missing(model):
        raise ValueError(
            f"The weights in {folder} lack {len(missing)} tensors of the model, {missing[0]} among them. "
            "Download the model again."
        )
    if (folder / _GENERATION_CONFIG).is_file():
        model.generation_config = GenerationConfig.from_pretrained(folder)
    return model.eval().requires_grad_(False)
