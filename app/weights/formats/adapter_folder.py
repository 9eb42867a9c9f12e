"""Checks adapters before they are loaded: LoRA weights as PEFT saves them or as GGUF, and P-tuning prefixes.

    adapter_config.json + adapter_model.safetensors          LoRA (peft_type, r, base_model_name_or_path)
    *.gguf of the type "adapter"                             LoRA in llama.cpp's own format
    config.json + *.safetensors with prefix_encoder tensors  a prefix (pre_seq_len, prefix_projection, _name_or_path)

An adapter is made for one base model, which it names; whether it fits is decided by tensor shapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from app.weights.architectures import chatglm
from app.weights.architectures.base import BadConfig
from app.weights.formats.checkpoint import (
    CONFIG,
    Checkpoint,
    check_tensors,
    damaged,
    inside,
    listing,
    read_config,
)
from app.weights.formats.gguf import GGUFHeader, read_header
from app.weights.formats.lora_names import UnknownModule, base_tensors
from app.weights.formats.lora_weights import LORA_CONFIG, LORA_WEIGHTS, LoraModule, read_lora, weights_in
from app.weights.formats.safetensors import TensorInfo, read_tensors
from app.weights.formats.shards import is_gguf

__all__ = [
    "BASE_KEYS",
    "LORA_CONFIG",
    "LORA_WEIGHTS",
    "PREFIX",
    "AdapterFolder",
    "check_adapter",
    "check_adapter_for_gguf",
    "describe_adapter",
]

BASE_KEYS = ("base_model_name_or_path", "base", "_name_or_path")
PREFIX = "prefix_encoder."

_GGUF_SIDE = re.compile(r"(?P<base>.+)\.lora_(?P<side>[ab])")


@dataclass(frozen=True, slots=True)
class AdapterFolder:
    """The configuration of an adapter's folder; its weights are not checked."""

    folder: Path
    kind: Literal["lora", "gguf", "prefix"]
    config: Mapping[str, Any]
    file: str = ""  # the GGUF file

    @property
    def bases(self) -> tuple[str, ...]:
        """The names of its base model, in lower case and without the owner."""
        given = (self.config.get(key) for key in BASE_KEYS)
        texts = [text.rstrip("/\\") for text in given if isinstance(text, str) and text]
        return tuple(re.split(r"[/\\]", text)[-1].lower() for text in texts)


def describe_adapter(folder: Path) -> AdapterFolder:
    """Read the folder's configuration. Raises :class:`DamagedWeights` when it is no adapter."""
    try:
        names = listing(folder)
    except OSError as err:
        raise damaged(folder, f"can't be read: {err.strerror}.") from err
    ready = [name for name in names if is_gguf(name)]
    if ready and LORA_WEIGHTS not in names:
        return _describe_gguf(folder, ready, read_config(folder, LORA_CONFIG) if LORA_CONFIG in names else {})
    if LORA_CONFIG in names:
        return AdapterFolder(folder, "lora", read_config(folder, LORA_CONFIG))
    if CONFIG in names:
        config = read_config(folder)
        if config.get("pre_seq_len"):
            return AdapterFolder(folder, "prefix", config)
    raise damaged(
        folder,
        f"has no adapter: neither {LORA_CONFIG} (LoRA) nor a {CONFIG} with pre_seq_len (P-tuning). Copy the whole "
        "folder that the training wrote.",
    )


def check_adapter(folder: Path, base: Checkpoint) -> None:
    """Raise :class:`DamagedWeights` for an adapter that is damaged or does not fit the model `base`."""
    adapter = describe_adapter(folder)
    try:
        if adapter.kind == "lora":
            for name, module in read_lora(folder, adapter.config).modules.items():
                _check_sizes(name, module, base.linear_sizes(name) or base.linear_sizes(name.partition(".")[2]))
        elif adapter.kind == "gguf":
            raise damaged(folder, f"is an adapter in GGUF ({adapter.file}), which only GGUF models can load.")
        else:
            _check_prefix(adapter, base)
    except OSError as err:
        raise damaged(folder, f"can't be read: {err.strerror}.") from err
    except BadConfig as bad:
        raise damaged(folder, f"is made for another model than {base.folder.name}: it {bad}.") from bad


def check_adapter_for_gguf(folder: Path, base: GGUFHeader) -> None:
    """The same for a base model in GGUF; ``base.shapes`` includes all parts of a split model."""
    adapter = describe_adapter(folder)
    try:
        if adapter.kind == "lora":
            modules = read_lora(folder, adapter.config).modules
            for tensor, name in base_tensors(base.architecture, modules).items():
                shape = base.shapes.get(tensor)
                _check_sizes(name, modules[name], shape and shape[::-1])
        elif adapter.kind == "gguf":
            _check_ready(read_header(inside(folder, adapter.file)), base)
        else:
            raise damaged(folder, "is a P-tuning prefix, which only ChatGLM models take.")
    except OSError as err:
        raise damaged(folder, f"can't be read: {err.strerror}.") from err
    except UnknownModule as unknown:
        raise damaged(folder, f"{unknown}.") from unknown
    except BadConfig as bad:
        raise damaged(folder, f"is made for another model than this one: it {bad}.") from bad


def _describe_gguf(folder: Path, files: list[str], config: Mapping[str, Any]) -> AdapterFolder:
    if len(files) > 1:
        raise damaged(folder, f"holds {len(files)} GGUF files. An adapter is one file: give each its own folder.")
    header = read_header(inside(folder, files[0]))
    if header.kind != "adapter":
        raise damaged(folder, f"has a GGUF file of the type {header.kind!r}, which is not an adapter.", files[0])
    named = config if any(config.get(key) for key in BASE_KEYS) else {"base": header.base_model}
    return AdapterFolder(folder, "gguf", named, files[0])


def _check_sizes(name: str, module: LoraModule, sizes: tuple[int, ...] | None) -> None:
    """Compare with `sizes`, (rows, columns) of the layer in the base model. Raises :class:`BadConfig`."""
    if sizes is None:
        raise BadConfig(f"changes the layer {name[:80]}, which does not exist")
    if (module.rows, module.columns) != sizes:
        raise BadConfig(
            f"changes a layer of {module.rows} × {module.columns} values, and {name[:80]} has {sizes[0]} × {sizes[-1]}"
        )


def _check_ready(adapter: GGUFHeader, base: GGUFHeader) -> None:
    """The checks that llama.cpp makes when it loads a GGUF adapter. Raises :class:`BadConfig`."""
    if adapter.adapter_type != "lora":
        raise BadConfig(f"is a GGUF adapter of the type {adapter.adapter_type[:20]!r}, and not lora")
    if adapter.architecture != base.architecture:
        raise BadConfig(f"changes the architecture {adapter.architecture[:40]}, and this is {base.architecture[:40]}")
    pairs: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in adapter.shapes.items():
        match = _GGUF_SIDE.fullmatch(name)
        if match is None or len(shape) != 2:
            raise BadConfig(f"holds the tensor {name[:80]}, which is not a LoRA weight of a linear layer")
        pairs.setdefault(match["base"], {})[match["side"]] = shape
    if not pairs:
        raise BadConfig("holds no weights")
    for name, sides in pairs.items():
        a, b, wanted = sides.get("a"), sides.get("b"), base.shapes.get(name)
        if wanted is None or name == "token_embd.weight":
            raise BadConfig(f"changes {name[:80]}, which does not exist or can't be changed")
        if a is None or b is None or a[1] != b[0] or (a[0], b[1]) != wanted:
            raise BadConfig(f"has weights for {name[:80]} of the shapes {a} and {b}, and the layer has {wanted}")


def _check_prefix(adapter: AdapterFolder, base: Checkpoint) -> None:
    folder = adapter.folder
    if not base.is_chatglm:
        raise BadConfig("is a P-tuning prefix, which only ChatGLM models take")
    found: dict[str, TensorInfo] = {}
    shards = [name for name in listing(folder) if name.endswith(".safetensors")]
    for shard in shards or [weights_in(folder, "*.safetensors").name]:
        for name, tensor in read_tensors(inside(folder, shard)).items():
            before, mark, rest = name.rpartition(PREFIX)
            if mark and before in ("", "transformer."):
                found[f"transformer.{PREFIX}{rest}"] = tensor
    if not found:
        raise damaged(folder, f"has no tensors {PREFIX}* in its weights. Copy the folder again.")
    check_tensors(chatglm.prefix_tensors(base.config, adapter.config), found)
