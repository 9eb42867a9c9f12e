"""Bring a model and make it run well here: fetch it, then make the copy of it that this machine's processor wants."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal

from app.errors import InvalidImport
from app.models import placement
from app.models.fetch_files import pull
from app.models.manifest import Manifest
from app.models.model_files import ModelFiles
from app.weights.checksums import Sums
from app.weights.formats.checkpoint import CONFIG, listing, read_config
from app.weights.formats.sha256sums import read_sums
from app.weights.progress import Cancelled, OnProgress

Copy = Literal["auto", "none", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "f16", "bf16", "f32"]


def provision(
    manifest: Manifest, store_dir: Path, on_progress: OnProgress, cancelled: Cancelled, *, copy: Copy = "auto"
) -> None:
    """Fetch what is not there, and see to its copy. Blocks. Raises as :func:`pull` and :func:`ensure_copy` do."""
    published = manifest.as_published()
    pull(published, store_dir, on_progress, cancelled)
    if published.engine == "torch":
        folder = ModelFiles(store_dir.absolute()).folder(published)
        ensure_copy(folder, store_dir, on_progress, cancelled, copy=copy)


def ensure_copy(
    folder: Path, store_dir: Path, on_progress: OnProgress, cancelled: Cancelled, *, copy: Copy = "auto"
) -> str:
    """Make the GGUF copy of a Hugging Face folder that is wanted and not there; returns its type, or "". Blocks.

    "auto" is the fastest where the processor will run it and nothing else is known against it. Raises
    :class:`InvalidImport` for a model that can't be copied (not with "auto"), :class:`~app.errors.FetchFailed`,
    :class:`~app.errors.FetchCancelled`.
    """
    if copy == "none" or not (folder / CONFIG).is_file():
        return ""
    found = placement.copies(listing(folder))
    wanted: str = copy
    if copy == "auto":
        wanted = "" if found else placement.copy_to_make(read_config(folder), card=placement.has_card())
    if not wanted or wanted in found:
        return ""
    with contextlib.suppress(*([InvalidImport] if copy == "auto" else [])):  # then it runs as it was published
        make_copy(folder, store_dir, wanted, on_progress, cancelled)
        return wanted
    return ""


def make_copy(folder: Path, store_dir: Path, copy_type: str, on_progress: OnProgress, cancelled: Cancelled) -> Path:
    """Rewrite a Hugging Face folder for llama.cpp; an old copy is replaced. Blocks. Raises as ``ensure_copy``."""
    from app.weights.converting.convert import quantize  # brings NumPy, which starting the server does without

    path = quantize(folder, copy_type, on_progress, cancelled)
    Sums(store_dir.absolute()).remember(path, read_sums(folder)[path.name])
    return path
