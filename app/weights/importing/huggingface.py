"""Import of Hugging Face folders: models and adapters, as safetensors or as PyTorch's own files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.errors import InvalidImport
from app.weights.formats.adapter_folder import LORA_CONFIG, LORA_WEIGHTS
from app.weights.formats.checkpoint import (
    INDEX,
    TEXT_SUFFIXES,
    WEIGHTS,
    inside,
    listing,
    pickles,
    read_config,
    weight_files,
)
from app.weights.formats.shards import MAX_SHARDS
from app.weights.importing.source import ImportSource, plain_name, weight_names
from app.weights.importing.to_safetensors import ConversionJob

OLD_WEIGHTS, OLD_INDEX, OLD_LORA = "pytorch_model.bin", "pytorch_model.bin.index.json", "adapter_model.bin"
_LEFT_BEHIND = (OLD_INDEX, INDEX, "trainer_state.json")


def inspect_folder(folder: Path) -> ImportSource:
    """Inspect a folder. Raises :class:`InvalidImport` and :class:`~app.errors.DamagedWeights` if it has no model."""
    names = listing(folder)
    is_lora = LORA_CONFIG in names
    weights, promised = _lora_weights(folder, names) if is_lora else model_weights(folder, names)
    files = {old: inside(folder, old) for old in weights}
    to_convert = pickles([*weights])
    texts = texts_of(folder, names)
    if not to_convert and len(weights) > 1:
        texts[INDEX] = inside(folder, INDEX)
    return ImportSource(
        folder=folder,
        name=plain_name(folder),
        kind="adapter" if is_lora else "model",
        inputs=(*files.values(), *texts.values()),
        links={} if to_convert else {new: files[old] for old, new in weights.items()},
        jobs=tuple(
            ConversionJob(stored([files[old]]), new, files[old].stat().st_size)
            for old, new in weights.items()
            if to_convert
        ),
        texts={**texts},
        promised=promised,
    )


def texts_of(folder: Path, names: list[str]) -> dict[str, Path]:
    """Configuration and tokenizer files, which are copied unchanged. Raises :class:`InvalidImport`."""
    return {n: inside(folder, n) for n in names if n.endswith(TEXT_SUFFIXES) and n not in _LEFT_BEHIND}


def stored(files: list[Path]) -> Mapping[str, Any]:
    """The worker's description of weights stored in `files`."""
    return {"kind": "files", "files": [str(path.absolute()) for path in files]}


def model_weights(folder: Path, names: list[str]) -> tuple[dict[str, str], frozenset[str]]:
    """The model's weight files → their names after import; and the tensor names in the index of pickles.

    Raises :class:`InvalidImport` and :class:`~app.errors.DamagedWeights`.
    """
    if WEIGHTS in names or INDEX in names:
        return {name: name for name in weight_files(folder)}, frozenset()
    if OLD_INDEX in names:
        return _old_shards(folder)
    tensors = [name for name in names if name.endswith(".safetensors")]
    found = [OLD_WEIGHTS] if OLD_WEIGHTS in names else tensors or pickles(names)
    if len(found) != 1:
        what = "no weights" if not found else f"{len(found)} files with weights but no index"
        raise InvalidImport(f"{folder} holds {what}. Download the whole folder again.")
    return {found[0]: WEIGHTS}, frozenset()


def _old_shards(folder: Path) -> tuple[dict[str, str], frozenset[str]]:
    places = read_config(folder, OLD_INDEX).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(name, str) for name in places.values()):
        raise InvalidImport(f"{folder / OLD_INDEX} has no weight_map. Download it again.")
    shards = sorted(set(places.values()))
    for shard in shards:
        if re.search(r"[/\\]", shard) or not pickles([shard]):
            raise InvalidImport(f"{folder / OLD_INDEX} names {shard[:80]!r}: no weights in the folder.")
    if len(shards) > MAX_SHARDS:
        raise InvalidImport(f"{folder / OLD_INDEX} names more than {MAX_SHARDS} files.")
    return dict(zip(shards, weight_names(len(shards)), strict=True)), frozenset(places)


def _lora_weights(folder: Path, names: list[str]) -> tuple[dict[str, str], frozenset[str]]:
    found = next((name for name in (LORA_WEIGHTS, OLD_LORA) if name in names), None)
    if found is None:
        raise InvalidImport(f"{folder} holds {LORA_CONFIG} and neither {LORA_WEIGHTS} nor {OLD_LORA}. Copy all of it.")
    return {found: LORA_WEIGHTS}, frozenset()
