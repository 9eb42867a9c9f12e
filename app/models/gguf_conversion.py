"""Convert models to GGUF for llama.cpp if they run faster that way on this machine's CPU."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal, get_args

from app.errors import InvalidImport
from app.models import placement
from app.models.manifest import Manifest
from app.models.memory import gpus
from app.models.model_files import ModelFiles
from app.weights.checksums import Checksums
from app.weights.converting.model_types import require_convertible
from app.weights.formats.checkpoint import CONFIG, listing, read_config
from app.weights.formats.sha256sums import read_checksums
from app.weights.progress import Cancelled, OnProgress

# A number format, "none", or "auto": the fastest format if the model will run on a CPU.
ConvertTo = Literal["auto", "none", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "f16", "bf16", "f32"]


def parse_convert_to(text: str) -> ConvertTo:
    """Parse the value of ``--to``. Raises :class:`InvalidImport`."""
    for choice in get_args(ConvertTo):
        if choice == text:
            return choice  # type: ignore[no-any-return]
    raise InvalidImport(f"There is no GGUF conversion {text[:40]!r}. Choose one of {', '.join(get_args(ConvertTo))}.")


def convertible_folder(manifest: Manifest, files: ModelFiles) -> Path:
    """The folder of a Hugging Face model that can be converted. Blocks.

    Raises :class:`~app.errors.ModelNotFetched`, and :class:`InvalidImport` for a model of another kind or architecture.
    """
    folder = files.folder(manifest)
    if not (folder / CONFIG).is_file():
        files.present(manifest)
        raise InvalidImport(f"{manifest.base_id} is not a Hugging Face model, so there is nothing to convert.")
    require_convertible(read_config(folder))
    return folder


def convert_where_wanted(
    folder: Path, store_dir: Path, on_progress: OnProgress, cancelled: Cancelled, *, to: ConvertTo = "auto"
) -> str:
    """Convert a Hugging Face folder to GGUF if that is wanted and missing; returns the number format or "". Blocks.

    With "auto" a model that can't be converted, or already has a converted file, is left alone. Raises
    :class:`InvalidImport` for a model that can't be converted (not with "auto"), :class:`~app.errors.FetchFailed`,
    :class:`~app.errors.FetchCancelled`.
    """
    if to == "none" or not (folder / CONFIG).is_file():
        return ""
    found = placement.conversions(listing(folder))
    wanted: str = to
    if to == "auto":
        wanted = "" if found else placement.conversion_to_make(read_config(folder), gpu=gpus.has_gpu())
    if not wanted or wanted in found:
        return ""
    with contextlib.suppress(*([InvalidImport] if to == "auto" else [])):  # then it runs without conversion
        convert_folder(folder, store_dir, wanted, on_progress, cancelled)
        return wanted
    return ""


def convert_folder(folder: Path, store_dir: Path, to: str, on_progress: OnProgress, cancelled: Cancelled) -> Path:
    """Convert a Hugging Face folder, replacing an earlier file of that format; returns the file. Blocks.

    Raises as :func:`convert_where_wanted`.
    """
    from app.weights.converting.convert import quantize  # imports NumPy, which starting the server does not need

    path = quantize(folder, to, on_progress, cancelled)
    Checksums(store_dir.absolute()).remember(path, read_checksums(folder)[path.name])
    return path
