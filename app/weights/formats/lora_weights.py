"""Reads the target modules and shapes of LoRA weights from their headers, and validates them.

adapter_config.json          peft_type, r, lora_alpha …: :mod:`app.weights.formats.lora_config`
adapter_model.safetensors    base_model.model.<module>.lora_A.weight [rank, columns], ….lora_B.weight [rows, rank]
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.weights.formats.checkpoint import damaged, inside, listing, pickles
from app.weights.formats.lora_config import BadLora, LoraConfig, lora_config
from app.weights.formats.safetensors import FLOATS, TensorInfo, read_tensors

LORA_CONFIG, LORA_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

_NAME = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<side>[AB])(?:\.default)?\.weight")


@dataclass(frozen=True, slots=True)
class LoraModule:
    """The LoRA matrices A and B of one module, and their names in the file."""

    a_name: str
    a: TensorInfo  # [rank, columns]
    b_name: str
    b: TensorInfo  # [rows, rank]

    @property
    def rank(self) -> int:
        """The rank of the decomposition."""
        return self.a.shape[0]

    @property
    def rows(self) -> int:
        """The module's output size."""
        return self.b.shape[0]

    @property
    def columns(self) -> int:
        """The module's input size."""
        return self.a.shape[1]


@dataclass(frozen=True, slots=True)
class LoraWeights:
    """A consistent adapter; whether it fits a model is checked elsewhere."""

    config: LoraConfig
    modules: Mapping[str, LoraModule]


def read_lora(folder: Path, config: Mapping[str, Any]) -> LoraWeights:
    """Read and validate the weights' headers. Raises :class:`DamagedWeights`, ``OSError``."""
    try:
        wanted = lora_config(config)
    except BadLora as bad:
        raise damaged(folder, f"{bad}.", LORA_CONFIG) from bad
    sides: dict[str, dict[str, tuple[str, TensorInfo]]] = {}
    for name, tensor in read_tensors(weights_in(folder, LORA_WEIGHTS)).items():
        match = _NAME.fullmatch(name)
        if match is None:
            raise damaged(folder, f"holds {name[:80]}, which is not a LoRA weight of a linear layer.", LORA_WEIGHTS)
        sides.setdefault(match["module"], {})[match["side"]] = (name, tensor)
    if not sides:
        raise damaged(folder, f"has no weights in {LORA_WEIGHTS}. Copy the folder again.", LORA_WEIGHTS)
    return LoraWeights(wanted, {name: _module(folder, name, pair, wanted) for name, pair in sides.items()})


def _module(folder: Path, name: str, pair: Mapping[str, tuple[str, TensorInfo]], config: LoraConfig) -> LoraModule:
    if set(pair) != {"A", "B"} or any(len(tensor.shape) != 2 for _, tensor in pair.values()):
        raise damaged(folder, f"has only a part of the weights for {name[:80]}. Copy the folder again.", LORA_WEIGHTS)
    found = LoraModule(*pair["A"], *pair["B"])
    for tensor in (found.a, found.b):
        if tensor.dtype not in FLOATS or tensor.elements == 0:
            text = f"has the weights for {name[:80]} as {tensor.dtype}, {tensor.shape}: not plain numbers."
            raise damaged(folder, text, LORA_WEIGHTS)
    if found.rank != found.b.shape[1] or (found.rank != config.rank and not config.ranks_differ):
        raise damaged(
            folder,
            f"says rank {config.rank} in {LORA_CONFIG}, and its weights have {found.rank} and {found.b.shape[1]}.",
            LORA_WEIGHTS,
        )
    return found


def weights_in(folder: Path, name: str) -> Path:
    """The path of the adapter's weights. Raises :class:`DamagedWeights`; for pickles, with how to convert them."""
    if not (folder / name).exists() and (found := pickles(listing(folder))):
        raise damaged(
            folder,
            f"has its weights in a format that can contain code ({found[0]}), which is never opened. "
            f"Convert it once: parley models import {folder}",
            found[0],
        )
    return inside(folder, name)
