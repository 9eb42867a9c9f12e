"""What a folder that is to be imported holds: which files are weights, which go with them, which are left behind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.errors import InvalidImport
from app.registry.formats.adapter_folder import LORA_CONFIG, LORA_WEIGHTS
from app.registry.formats.checkpoint import (
    CONFIG,
    INDEX,
    TEXT_SUFFIXES,
    WEIGHTS,
    listing,
    pickles,
    read_config,
    roots,
    weight_files,
)

_OLD_WEIGHTS, _OLD_INDEX, _OLD_LORA = "pytorch_model.bin", "pytorch_model.bin.index.json", "adapter_model.bin"
_MAX_SHARDS = 512


@dataclass(frozen=True, slots=True)
class ImportSource:
    """A folder as it was found."""

    folder: Path
    name: str  # that it has, for people
    is_lora: bool
    weights: Mapping[str, str]  # the names of the weights' files → what they are called once imported
    to_convert: tuple[str, ...]  # those of them that are pickles: all or none
    texts: tuple[str, ...]  # configuration and tokenizer
    promised: frozenset[str] = frozenset()  # tensors that the index of pickles names

    def path(self, file: str) -> Path:
        """Where a file lies. Raises :class:`InvalidImport` for a link that leads elsewhere."""
        path = self.folder / file
        if not path.exists():
            raise InvalidImport(f"{self.folder} lacks {file}. Fetch it again.")
        real = path.resolve()
        if not real.is_file() or not any(real.is_relative_to(root) for root in roots(self.folder)):
            raise InvalidImport(f"{path} leads out of its folder, or is no file. Put the file itself there.")
        return path

    def state(self) -> list[list[object]]:
        """What tells these files from the same ones changed."""
        stats = [(file, self.path(file).stat()) for file in (*self.weights, *self.texts)]
        return [[file, stat.st_size, stat.st_mtime_ns] for file, stat in stats]


def look_into(folder: Path) -> ImportSource:
    """Raises :class:`InvalidImport` and :class:`~app.errors.DamagedWeights` for a folder without a model."""
    folder = folder.expanduser().absolute()
    if not folder.is_dir():
        raise InvalidImport(f"{folder} is no folder. Name the one that holds config.json and the weights.")
    names = listing(folder)
    is_lora = LORA_CONFIG in names
    if not is_lora and CONFIG not in names:
        raise InvalidImport(f"{folder} holds no {CONFIG}: it is no Hugging Face model, and no adapter.")
    weights, promised = _lora_weights(folder, names) if is_lora else _model_weights(folder, names)
    indices = (INDEX,) if not pickles([*weights]) and len(weights) > 1 else ()
    left = {_OLD_INDEX, INDEX, "trainer_state.json"}
    texts = [*indices, *(n for n in names if n.endswith(TEXT_SUFFIXES) and n not in left)]
    source = ImportSource(
        folder, _plain_name(folder), is_lora, weights, tuple(pickles([*weights])), tuple(texts), promised
    )
    source.state()  # every file is there, and in the folder
    return source


def _model_weights(folder: Path, names: list[str]) -> tuple[dict[str, str], frozenset[str]]:
    if WEIGHTS in names or INDEX in names:
        return {name: name for name in weight_files(folder)}, frozenset()
    if _OLD_INDEX in names:
        return _old_shards(folder)
    tensors = [name for name in names if name.endswith(".safetensors")]
    found = [_OLD_WEIGHTS] if _OLD_WEIGHTS in names else tensors or pickles(names)
    if len(found) != 1:
        what = "no weights" if not found else f"{len(found)} files with weights and no index that says how they belong"
        raise InvalidImport(f"{folder} holds {what}. Fetch the whole folder again.")
    return {found[0]: WEIGHTS}, frozenset()


def _old_shards(folder: Path) -> tuple[dict[str, str], frozenset[str]]:
    places = read_config(folder, _OLD_INDEX).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(name, str) for name in places.values()):
        raise InvalidImport(f"{folder / _OLD_INDEX} has no weight_map. Fetch it again.")
    shards = sorted(set(places.values()))
    for shard in shards:
        if re.search(r"[/\\]", shard) or not pickles([shard]):
            raise InvalidImport(f"{folder / _OLD_INDEX} names {shard[:80]!r}: no weights in the folder.")
    if len(shards) > _MAX_SHARDS:
        raise InvalidImport(f"{folder / _OLD_INDEX} names more than {_MAX_SHARDS} files.")
    if len(shards) == 1:
        return {shards[0]: WEIGHTS}, frozenset(places)
    renamed = {old: f"model-{i:05d}-of-{len(shards):05d}.safetensors" for i, old in enumerate(shards, start=1)}
    return renamed, frozenset(places)


def _lora_weights(folder: Path, names: list[str]) -> tuple[dict[str, str], frozenset[str]]:
    found = next((name for name in (LORA_WEIGHTS, _OLD_LORA) if name in names), None)
    if found is None:
        raise InvalidImport(f"{folder} holds {LORA_CONFIG} and neither {LORA_WEIGHTS} nor {_OLD_LORA}. Copy all of it.")
    return {found: LORA_WEIGHTS}, frozenset()


def _plain_name(folder: Path) -> str:
    """The folder's name; in Hugging Face's cache (models--owner--name/snapshots/commit) the model's."""
    if folder.parent.name == "snapshots":
        return folder.parents[1].name.rpartition("--")[2]
    return folder.name
