"""A model or adapter to import: which files are linked, which are converted, and what goes with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from app.weights.formats import shards
from app.weights.formats.checkpoint import WEIGHTS
from app.weights.importing.to_safetensors import ConversionJob

Kind = Literal["model", "adapter", "gguf"]

# Files of about this size are written where a model comes in pieces that can't be kept as they are.
SHARD_BYTES = 5_000_000_000
_DELTA = re.compile(r"(^|[^a-z])(w?diff|delta)([^a-z]|$)")


@dataclass(frozen=True, slots=True)
class ImportSource:
    """A model or adapter as it was found. Paths were checked: they lie in their folders."""

    folder: Path
    name: str  # that it has, for people
    kind: Kind
    inputs: tuple[Path, ...]  # all that it is made of: when one of them changed, work is begun anew
    links: Mapping[str, Path] = field(default_factory=dict)  # weights that are taken as they are, by their new names
    jobs: tuple[ConversionJob, ...] = ()  # weights that are converted
    texts: Mapping[str, Path | str] = field(default_factory=dict)  # what goes with them: files, or what to write
    md5: Mapping[Path, str] = field(default_factory=dict)  # that whoever published some of the files gave with them
    promised: frozenset[str] = frozenset()  # tensors that the index of pickles names
    finish: Callable[[Path], None] | None = None  # writes what follows from the converted weights into their folder
    judge: Callable[[float], str] | None = None  # what the sum over all numbers of the recovered weights says
    notes: tuple[str, ...] = ()  # what whoever imports should know

    def state(self) -> list[list[object]]:
        """What tells these files from the same ones changed."""
        stats = [(str(path), path.stat()) for path in self.inputs]
        return [[path, stat.st_size, stat.st_mtime_ns] for path, stat in stats]


def plain_name(folder: Path) -> str:
    """The folder's name; in Hugging Face's cache (models--owner--name/snapshots/commit) the model's."""
    if folder.parent.name == "snapshots":
        return folder.parents[1].name.rpartition("--")[2]
    return folder.name


def says_delta(name: str) -> bool:
    """Whether a name says that this is no model but what to add to one: ``alpaca-7b-wdiff``, ``vicuna-7b-delta``."""
    return _DELTA.search(name.lower()) is not None


def weight_names(parts: int) -> list[str]:
    """What the safetensors files of a model in so many parts are called."""
    return [WEIGHTS] if parts == 1 else shards.shard_names("model", parts, ".safetensors")


def jobs_of(weights: Mapping[str, Any], size_bytes: int) -> tuple[ConversionJob, ...]:
    """Weights as files of about :data:`SHARD_BYTES` each; `size_bytes` is what they will take, about."""
    parts = max(1, -(-size_bytes // SHARD_BYTES))
    return tuple(
        ConversionJob(weights, name, size_bytes // parts, i, parts) for i, name in enumerate(weight_names(parts))
    )
