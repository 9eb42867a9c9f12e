"""Validates a Hugging Face folder before it is loaded.

Only headers are read, within limits. Weights are complete when every tensor in the index exists, and valid when their
shapes match ``config.json``: exactly for the architectures of :mod:`app.weights.architectures`, roughly for all others.
Code in the folder (``*.py``, and ``auto_map`` which names it) is never run; pickles (``.bin``, ``.pth``) are never
opened.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import DamagedWeights
from app.weights.architectures import chatglm, expected_for, is_tied
from app.weights.architectures.base import BadConfig, Expected, size
from app.weights.formats.safetensors import FLOATS, TensorInfo, read_tensors
from app.weights.formats.shards import MAX_SHARDS

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
TEXT_SUFFIXES = (".json", ".model", ".txt", ".jinja")  # other files of a model: tokenizers, templates, settings
PICKLE_SUFFIXES = (".bin", ".pth", ".pt", ".ckpt", ".pkl")

_MAX_CONFIG_BYTES = 1 << 20
_MAX_INDEX_BYTES = 64 << 20
_MAX_ENTRIES = 4096  # per folder
_LAYER = re.compile(r"\.(?:layers|h|blocks|layer)\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A validated folder."""

    folder: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, TensorInfo]  # of all shards
    code: tuple[str, ...]  # code files and settings that name code, which is not run

    @property
    def is_chatglm(self) -> bool:
        """Whether it is a ChatGLM model of any generation."""
        return self.config.get("model_type") == "chatglm"

    @property
    def quantization_bits(self) -> int:
        """Bits per weight in ChatGLM's own quantized layout, 0 for none."""
        return chatglm.quantization_bits(self.config) if self.is_chatglm else 0

    @property
    def held(self) -> dict[str, TensorInfo]:
        """The tensors that take memory: a tied head may be stored in the file, but is not loaded."""
        left = ("lm_head.",) if is_tied(self.config) else ()
        return {k: v for k, v in self.tensors.items() if not k.startswith(left) and not k.endswith("inv_freq")}

    @property
    def parameters(self) -> int:
        """The number of parameters; packed values count individually."""
        per_byte = 2 if self.quantization_bits == 4 else 1
        return sum(t.elements * (per_byte if t.dtype == "I8" else 1) for t in self.held.values())

    def linear_sizes(self, module: str) -> tuple[int, int] | None:
        """(rows, columns) of the linear layer `module`, unpacked; ``None`` where there is none."""
        weight = self.tensors.get(f"{module}.weight")
        if weight is None or len(weight.shape) != 2:
            return None
        rows, columns = weight.shape
        return rows, columns * (2 if weight.dtype == "I8" and self.quantization_bits == 4 else 1)


def read_checkpoint(folder: Path) -> Checkpoint:
    """Validate a folder. Raises only :class:`DamagedWeights`, with what is wrong and what to do."""
    try:
        config = read_config(folder)
        _check_detours(folder, config)
        shards = _shards(folder)
        tensors = _tensors(folder, shards)
        _check_shapes(config, tensors)
        return Checkpoint(folder, config, tensors, _code(folder, config))
    except OSError as err:
        raise damaged(folder, f"can't be read: {err.strerror}.") from err
    except BadConfig as bad:
        raise damaged(folder, f"has a {CONFIG} that {bad}. Download it again.", CONFIG) from bad


def damaged(folder: Path, problem: str, file: str = "") -> DamagedWeights:
    """The error for a folder; `problem` completes the sentence that begins with its name."""
    return DamagedWeights(f"{folder.name} {problem}", file=file or folder.name)


def listing(folder: Path) -> list[str]:
    """The sorted names of the files in a folder. Raises :class:`DamagedWeights` for too many, ``OSError``."""
    names: list[str] = []
    for path in folder.iterdir():
        names.append(path.name)
        if len(names) > _MAX_ENTRIES:
            raise damaged(folder, f"holds more than {_MAX_ENTRIES:,} files; that is not a checkpoint.")
    return sorted(names)


def pickles(names: list[str]) -> list[str]:
    """The files among `names` whose format may contain weights and also code."""
    return [name for name in names if name.endswith(PICKLE_SUFFIXES) and name != "training_args.bin"]


def read_config(folder: Path, name: str = CONFIG) -> dict[str, Any]:
    """A small JSON table in the folder. Raises :class:`DamagedWeights`."""
    return _read_json(folder, name, _MAX_CONFIG_BYTES)


def weight_files(folder: Path) -> tuple[str, ...]:
    """The safetensors files of the model. Raises :class:`DamagedWeights`."""
    return tuple(_shards(folder))


def inside(folder: Path, name: str) -> Path:
    """The path of a file, which must not link out of the folder. Raises :class:`DamagedWeights`."""
    path = folder / name
    try:
        found = path.resolve(strict=True)
    except (OSError, RuntimeError) as err:  # RuntimeError: circular links
        raise damaged(folder, f"lacks {name}. Download it again.", name) from err
    if not found.is_file() or not any(found.is_relative_to(root) for root in roots(folder)):
        raise damaged(
            folder,
            f"has a {name} that is not a file, or is a link that points outside the folder. Put the file itself there.",
            name,
        )
    return path


def roots(folder: Path) -> list[Path]:
    """The folders that a folder's files may link to: itself, and in Hugging Face's cache also ``blobs``.

    In that cache (``models--owner--name/snapshots/commit``) every file is a link.
    """
    cached = [(folder.parents[1] / "blobs").resolve()] if folder.parent.name == "snapshots" else []
    return [folder.resolve(), *cached]


def _read_json(folder: Path, name: str, most: int) -> dict[str, Any]:
    try:
        with inside(folder, name).open("rb") as file:
            raw = file.read(most + 1)
        if len(raw) > most:
            raise damaged(folder, f"has a {name} of more than {most >> 20} MiB, which can't be right.", name)
        value = json.loads(raw.decode("utf-8"))
    except OSError as err:
        raise damaged(folder, f"has a {name} that can't be read: {err.strerror}.", name) from err
    except (ValueError, RecursionError) as err:
        raise damaged(folder, f"has a {name} that is not valid JSON. Download it again.", name) from err
    if not isinstance(value, dict):
        raise damaged(folder, f"has a {name} that is not a table. Download it again.", name)
    return value


def _shards(folder: Path) -> dict[str, set[str] | None]:
    """The weight files, and the tensors in each according to the index (``None``: no index)."""
    names = listing(folder)
    if WEIGHTS in names:
        return {WEIGHTS: None}
    if INDEX not in names:
        raise _without_weights(folder, names)
    places = _read_json(folder, INDEX, _MAX_INDEX_BYTES).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(name, str) for name in places.values()):
        raise damaged(folder, f"has an {INDEX} without a weight_map. Download it again.", INDEX)
    shards: dict[str, set[str] | None] = {}
    for tensor, shard in places.items():
        if "/" in shard or "\\" in shard or shard.startswith(".") or not shard.endswith(".safetensors"):
            raise damaged(
                folder, f"has an {INDEX} that names {shard[:80]!r}, which is not a safetensors file in it.", INDEX
            )
        held = shards.setdefault(shard, set())
        assert held is not None
        held.add(tensor)
    if len(shards) > MAX_SHARDS:
        raise damaged(folder, f"has an {INDEX} that names more than {MAX_SHARDS} files.", INDEX)
    return shards


def _without_weights(folder: Path, names: list[str]) -> DamagedWeights:
    found = pickles(names)
    if not found:
        return damaged(folder, f"holds neither {WEIGHTS} nor {INDEX}. Download it again.", WEIGHTS)
    return damaged(
        folder,
        f"has its weights in a format that can contain code ({found[0]}), which is never opened. Convert it once: "
        f"parley models import {folder}",
        found[0],
    )


def _tensors(folder: Path, shards: Mapping[str, set[str] | None]) -> dict[str, TensorInfo]:
    tensors: dict[str, TensorInfo] = {}
    for shard, promised in sorted(shards.items()):
        found = read_tensors(inside(folder, shard))
        missing = (promised or set()) - set(found)
        if missing:
            raise damaged(folder, f"lacks {min(missing)[:80]} in {shard}. Download that file again.", shard)
        wanted = found if promised is None else {name: found[name] for name in promised}
        tensors.update(wanted)
    if not tensors:
        raise damaged(folder, "holds no weights at all. Download it again.", WEIGHTS)
    return tensors


def _check_detours(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise for settings that would make transformers open files other than those checked here."""
    if "transformers_weights" in config:
        raise damaged(
            folder, f"has a {CONFIG} that names other weights (transformers_weights). Remove that key.", CONFIG
        )
    if "adapter_config.json" in listing(folder):
        raise damaged(
            folder,
            "holds an adapter (adapter_config.json) among the model's files. Move the adapter's files into a folder of "
            "their own, in the store's adapters folder.",
            "adapter_config.json",
        )


def _check_shapes(config: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> None:
    """Raises :class:`BadConfig`."""
    # Weights quantized by a library have other shapes than the layers. ChatGLM's own layouts are checked exactly.
    packed = config.get("quantization_config") is not None and config.get("model_type") != "chatglm"
    if packed:
        return
    expected = expected_for(config, tensors)
    if expected is not None:
        check_tensors(expected, tensors)
    else:
        _check_outline(config, tensors)


def check_tensors(expected: Iterator[Expected], tensors: Mapping[str, TensorInfo]) -> None:
    """Compare with the expected tensors. Raises :class:`BadConfig` at the first difference."""
    for wanted in expected:
        found = tensors.get(wanted.name)
        if found is None:
            if wanted.required:
                raise BadConfig(f"asks for {wanted.name}, which the weights lack")
            continue
        if found.shape != wanted.shape:
            raise BadConfig(f"asks for {wanted.name} in the shape {wanted.shape}; the weights have {found.shape}")
        if found.dtype not in (FLOATS if wanted.kind == "float" else ("I8",)):
            raise BadConfig(f"does not match the weights: {wanted.name} is stored as {found.dtype}")


def _check_outline(config: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> None:
    """Check an unregistered architecture: the configured model must not be much larger than its weights.

    Loaders allocate by the configuration, so its widths must occur in some tensor, and all its layers must exist.
    """
    sizes = {n for tensor in tensors.values() for n in tensor.shape}
    for key in ("hidden_size", "vocab_size"):
        if key in config and size(config, key) not in sizes:
            raise BadConfig(f"says {key} = {config[key]}, and no tensor has that size")
    layers = {int(match[1]) for name in tensors if (match := _LAYER.search(name))}
    if layers and "num_hidden_layers" in config:
        wanted = size(config, "num_hidden_layers")
        if wanted != max(layers) + 1:
            raise BadConfig(f"says num_hidden_layers = {wanted}, and the weights have {max(layers) + 1}")


def _code(folder: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    scripts = [name for name in listing(folder) if name.endswith(".py")]
    return (*scripts, *(["auto_map"] if config.get("auto_map") else []))
