"""Detects what kind of model a folder or file is, before it is imported."""

from __future__ import annotations

from pathlib import Path

from app.errors import InvalidImport
from app.weights.formats.adapter_folder import LORA_CONFIG
from app.weights.formats.checkpoint import CONFIG, INDEX, WEIGHTS, listing
from app.weights.formats.shards import is_gguf
from app.weights.importing.delta_weights import inspect_delta_weights
from app.weights.importing.gguf_file import inspect_gguf
from app.weights.importing.huggingface import OLD_INDEX, OLD_WEIGHTS, inspect_folder
from app.weights.importing.meta import inspect_meta, is_meta
from app.weights.importing.source import ImportSource, plain_name, says_delta

_HUGGING_FACE = {WEIGHTS, INDEX, OLD_WEIGHTS, OLD_INDEX, LORA_CONFIG}


def detect_source(path: Path, base: Path | None = None) -> ImportSource:
    """Inspect `path`. Raises :class:`InvalidImport` and :class:`~app.errors.DamagedWeights` if it holds no model."""
    if path.is_file() and is_gguf(path.name):
        _refuse_base(path, base)
        return inspect_gguf(path)
    folder = path.parent if path.is_file() and is_meta([path.name]) else path
    if not folder.is_dir():
        raise InvalidImport(
            f"{folder} is not a folder or a GGUF file. Name the folder with config.json and the weights."
        )
    names = listing(folder)
    if is_meta(names) and not _HUGGING_FACE & set(names):
        _refuse_base(folder, base)
        return inspect_meta(folder)
    if CONFIG in names or LORA_CONFIG in names:
        if base is not None:
            return inspect_delta_weights(folder, base)
        _refuse_delta(folder, names)
        return inspect_folder(folder)
    if any(is_gguf(name) for name in names):
        _refuse_base(folder, base)
        return inspect_gguf(folder)
    raise InvalidImport(
        f"{folder} has no {CONFIG}, so it is not a Hugging Face model or an adapter. It has no GGUF file and none of "
        "Meta's consolidated files."
    )


def _refuse_base(path: Path, base: Path | None) -> None:
    if base is not None:
        raise InvalidImport(f"{path.name} is a complete model and needs no base. Leave out --base.")


def _refuse_delta(folder: Path, names: list[str]) -> None:
    if LORA_CONFIG not in names and says_delta(plain_name(folder)):
        raise InvalidImport(
            f"By its name, {plain_name(folder)} has delta weights, which can't be used alone. Name their base model "
            "with --base: Meta's folder, a Hugging Face folder, or a model in the store. If it is a "
            "complete model, rename the folder."
        )
