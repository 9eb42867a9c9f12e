"""Adapters before they are loaded: LoRA weights as PEFT saves them, and P-tuning prefixes.

    adapter_config.json + adapter_model.safetensors          LoRA (peft_type, r, base_model_name_or_path)
    config.json + *.safetensors with prefix_encoder tensors  a prefix (pre_seq_len, prefix_projection, _name_or_path)

An adapter is made for one base model. Which one it says itself; whether it fits is told by shapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from app.errors import DamagedWeights
from app.registry.formats import chatglm_shapes
from app.registry.formats.chatglm_shapes import BadConfig
from app.registry.formats.checkpoint import (
    CONFIG,
    Checkpoint,
    check_tensors,
    damaged,
    inside,
    listing,
    pickles,
    read_config,
)
from app.registry.formats.safetensors import TensorInfo, read_tensors

LORA_CONFIG, LORA_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
BASE_KEYS = ("base_model_name_or_path", "base", "_name_or_path")
PREFIX = "prefix_encoder."

_LORA_NAME = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<side>[AB])(?:\.default)?\.weight")
_MAX_RANK = 4096


@dataclass(frozen=True, slots=True)
class AdapterFolder:
    """What a folder says of itself; its weights were not looked at."""

    folder: Path
    kind: Literal["lora", "prefix"]
    config: Mapping[str, Any]

    @property
    def bases(self) -> tuple[str, ...]:
        """The names of the base model that it gives, in lower case and without the owner before them."""
        given = (self.config.get(key) for key in BASE_KEYS)
        return tuple(text.rstrip("/").rpartition("/")[2].lower() for text in given if isinstance(text, str) and text)


def describe_adapter(folder: Path) -> AdapterFolder:
    """Read the folder's configuration. Raises :class:`DamagedWeights` when it holds no adapter."""
    try:
        names = listing(folder)
    except OSError as err:
        raise damaged(folder, f"can't be read: {err.strerror}.") from err
    if LORA_CONFIG in names:
        return AdapterFolder(folder, "lora", read_config(folder, LORA_CONFIG))
    if CONFIG in names:
        config = read_config(folder)
        if config.get("pre_seq_len"):
            return AdapterFolder(folder, "prefix", config)
    raise damaged(
        folder,
        f"holds no adapter: neither {LORA_CONFIG} (LoRA) nor a {CONFIG} with pre_seq_len (P-tuning). Copy the whole "
        "folder that training wrote.",
    )


def check_adapter(folder: Path, base: Checkpoint) -> None:
    """Raises :class:`DamagedWeights` for an adapter that is broken, or made for another model than `base`."""
    adapter = describe_adapter(folder)
    try:
        if adapter.kind == "lora":
            _check_lora(adapter, base)
        else:
            _check_prefix(adapter, base)
    except OSError as err:
        raise damaged(folder, f"can't be read: {err.strerror}.") from err
    except BadConfig as bad:
        raise damaged(folder, f"is made for another model than {base.folder.name}: it {bad}.") from bad


def _check_lora(adapter: AdapterFolder, base: Checkpoint) -> None:
    folder, config = adapter.folder, adapter.config
    if str(config.get("peft_type", "")).upper() != "LORA":
        kind = str(config.get("peft_type"))[:40]
        raise damaged(folder, f"is an adapter of the kind {kind!r}; those that are known are LORA and P-tuning v2.")
    rank = config.get("r")
    if type(rank) is not int or not 0 < rank <= _MAX_RANK:
        raise damaged(folder, f"has the rank {str(rank)[:20]} in {LORA_CONFIG}. Copy the folder again.", LORA_CONFIG)
    sides: dict[str, dict[str, TensorInfo]] = {}
    for name, tensor in read_tensors(_weights(folder, LORA_WEIGHTS)).items():
        match = _LORA_NAME.fullmatch(name)
        if match is None:
            raise damaged(folder, f"holds {name[:80]}, which is no LoRA weight of a linear layer.", LORA_WEIGHTS)
        sides.setdefault(match["module"], {})[match["side"]] = tensor
    if not sides:
        raise damaged(folder, f"has no weights in {LORA_WEIGHTS}. Copy the folder again.", LORA_WEIGHTS)
    for module, pair in sides.items():
        _check_pair(folder, module, pair, base, None if config.get("rank_pattern") else rank)


def _check_pair(folder: Path, module: str, pair: Mapping[str, TensorInfo], base: Checkpoint, rank: int | None) -> None:
    """A is [rank, columns], B is [rows, rank]."""
    if set(pair) != {"A", "B"} or any(len(side.shape) != 2 for side in pair.values()):
        raise damaged(folder, f"has only a part of the weights for {module[:80]}. Copy the folder again.", LORA_WEIGHTS)
    sizes = base.linear_sizes(module) or base.linear_sizes(module.partition(".")[2])
    if sizes is None:
        raise BadConfig(f"changes the layer {module[:80]}, which is not there")
    a, b = pair["A"].shape, pair["B"].shape
    if (b[0], a[1]) != sizes:
        raise BadConfig(f"changes a layer of {b[0]} × {a[1]} values, and {module[:80]} has {sizes[0]} × {sizes[1]}")
    if a[0] != b[1] or (rank is not None and a[0] != rank):
        raise damaged(
            folder, f"says rank {rank} in {LORA_CONFIG}, and its weights have {a[0]} and {b[1]}.", LORA_WEIGHTS
        )


def _check_prefix(adapter: AdapterFolder, base: Checkpoint) -> None:
    folder = adapter.folder
    if not base.is_chatglm:
        raise BadConfig("is a P-tuning prefix, which only ChatGLM models take")
    found: dict[str, TensorInfo] = {}
    shards = [name for name in listing(folder) if name.endswith(".safetensors")]
    for shard in shards or [_weights(folder, "*.safetensors").name]:
        for name, tensor in read_tensors(inside(folder, shard)).items():
            before, mark, rest = name.rpartition(PREFIX)
            if mark and before in ("", "transformer."):
                found[f"transformer.{PREFIX}{rest}"] = tensor
    if not found:
        raise damaged(folder, f"has no tensors {PREFIX}* in its weights. Copy the folder again.")
    check_tensors(chatglm_shapes.prefix_tensors(base.config, adapter.config), found)


def _weights(folder: Path, name: str) -> Path:
    """The adapter's weights. Raises :class:`DamagedWeights`, which tells of pickles how to convert them."""
    if not (folder / name).exists() and (found := pickles(listing(folder))):
        raise DamagedWeights(
            f"{folder.name} has its weights in a format that can carry code ({found[0]}), which is never opened. "
            f"Convert it once: parley models import {folder}",
            file=found[0],
        )
    return inside(folder, name)
