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

# The approximate size of shards written by a conversion that can't keep the original ones.
SHARD_BYTES = 5_000_000_000
_DELTA = re.compile(r"(^|[^a-z])(w?diff|delta)([^a-z]|$)")


@dataclass(frozen=True, slots=True)
class ImportSource:
    """An inspected model or adapter. All paths are validated to be inside their folders."""

    folder: Path
    name: str  # its own name, for display
    kind: Kind
    inputs: tuple[Path, ...]  # all input files; if one has changed, an interrupted import starts over
    links: Mapping[str, Path] = field(default_factory=dict)  # new name → weights that are linked unchanged
    jobs: tuple[ConversionJob, ...] = ()  # weights that are converted
    texts: Mapping[str, Path | str] = field(default_factory=dict)  # other files: the original, or the text to write
    md5: Mapping[Path, str] = field(default_factory=dict)  # published MD5 checksums of some files
    promised: frozenset[str] = frozenset()  # tensor names in the index of pickles
    finish: Callable[[Path], None] | None = None  # writes files derived from the converted weights
    judge: Callable[[float], str] | None = None  # a message about the sum of all recovered weights
    notes: tuple[str, ...] = ()  # messages for the user

    def state(self) -> list[list[object]]:
        """Path, size and modification time of the inputs, to detect changes."""
        stats = [(str(path), path.stat()) for path in self.inputs]
        return [[path, stat.st_size, stat.st_mtime_ns] for path, stat in stats]


def plain_name(folder: Path) -> str:
    """The folder's name; in Hugging Face's cache (models--owner--name/snapshots/commit), the repository's name."""
    if folder.parent.name == "snapshots":
        return folder.parents[1].name.rpartition("--")[2]
    return folder.name


def says_delta(name: str) -> bool:
    """Whether a name indicates delta weights: ``alpaca-7b-wdiff``, ``vicuna-7b-delta``."""
    return _DELTA.search(name.lower()) is not None


def weight_names(parts: int) -> list[str]:
    """The names of a model's safetensors files, split into `parts`."""
    return [WEIGHTS] if parts == 1 else shards.shard_names("model", parts, ".safetensors")


def jobs_of(weights: Mapping[str, Any], size_bytes: int) -> tuple[ConversionJob, ...]:
    """Jobs that write files of about :data:`SHARD_BYTES` each; `size_bytes` is the approximate total."""
    parts = max(1, -(-size_bytes // SHARD_BYTES))
    return tuple(
        ConversionJob(weights, name, size_bytes // parts, i, parts) for i, name in enumerate(weight_names(parts))
    )
