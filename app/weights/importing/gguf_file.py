"""Import of GGUF files, including split ones, with validated headers."""

from __future__ import annotations

from pathlib import Path

from app.errors import InvalidImport
from app.weights.converting.known_architectures import known_architectures
from app.weights.formats.checkpoint import inside, listing
from app.weights.formats.gguf import read_header
from app.weights.formats.gguf_purpose import ADAPTER, other_purpose
from app.weights.formats.shards import is_gguf, model_stem, parse_shard
from app.weights.importing.source import ImportSource, plain_name


def inspect_gguf(path: Path) -> ImportSource:
    """Inspect a GGUF file, the first part of a split one, or a folder with exactly one GGUF model.

    Raises :class:`InvalidImport`, and :class:`~app.errors.DamagedWeights` for a damaged file.
    """
    folder, name = (path, _only(path)) if path.is_dir() else (path.parent, path.name)
    names = _parts(name)
    files = {part: inside(folder, part) for part in names}
    headers = [read_header(file) for file in files.values()]
    first = headers[0]
    if purpose := other_purpose(first):
        hint = "A LoRA adapter is imported as the folder that PEFT wrote." if purpose == ADAPTER else "Name the model."
        raise InvalidImport(f"{name} is {purpose}, not a chat model. {hint}")
    if first.part != 0 or first.parts != len(names) or [header.part for header in headers] != [*range(len(names))]:
        raise InvalidImport(
            f"{name} says that it is part {first.part + 1} of {first.parts}. Put all parts into one folder, with their "
            "published names, and name the first."
        )
    if first.architecture not in known_architectures():
        raise InvalidImport(
            f"{name} holds a model of the architecture {first.architecture[:40]!r}, which the installed llama.cpp does "
            "not support. A newer Parley may."
        )
    return ImportSource(
        folder=folder,
        name=plain_name(folder) if path.is_dir() else model_stem(name),
        kind="gguf",
        inputs=tuple(files.values()),
        links=files,
    )


def _only(folder: Path) -> str:
    """The file name of the only GGUF model in a folder, or of its first part."""
    found = [name for name in listing(folder) if is_gguf(name)]
    models = {shard.stem if (shard := parse_shard(name)) else name: name for name in reversed(found)}
    if len(models) != 1:
        raise InvalidImport(f"{folder} holds {len(models)} GGUF models. Name the file that you want.")
    return next(iter(models.values()))


def _parts(name: str) -> list[str]:
    shard = parse_shard(name)
    if shard is None:
        return [name]
    if not shard.is_first:
        raise InvalidImport(f"{name} is one part of a model. Name the first part (00001-of-…).")
    return shard.all_names()
