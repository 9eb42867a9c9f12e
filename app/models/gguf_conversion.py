"""Convert models to GGUF for llama.cpp, where this machine's processor runs them faster so."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal, get_args

from app.errors import InvalidImport
from app.models import placement
from app.models.memory import gpus
from app.weights.checksums import Checksums
from app.weights.formats.checkpoint import CONFIG, listing, read_config
from app.weights.formats.sha256sums import read_checksums
from app.weights.progress import Cancelled, OnProgress

# Number formats, "none", or "auto": the fastest, where a processor will run the model.
ConvertTo = Literal["auto", "none", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "f16", "bf16", "f32"]


def parse_convert_to(text: str) -> ConvertTo:
    """`text` as a choice. Raises :class:`InvalidImport`."""
    for choice in get_args(ConvertTo):
        if choice == text:
            return choice  # type: ignore[no-any-return]
    raise InvalidImport(f"There is no GGUF conversion {text[:40]!r}. Choose one of {', '.join(get_args(ConvertTo))}.")


def convert_where_wanted(
    folder: Path, store_dir: Path, on_progress: OnProgress, cancelled: Cancelled, *, to: ConvertTo = "auto"
) -> str:
    """Make the converted file of a Hugging Face folder that is wanted and not there; returns its type, or "". Blocks.

    With "auto" a model that can't be converted, or has a converted file, stays as it is. Raises :class:`InvalidImport`
    for a model that can't be converted (not with "auto"), :class:`~app.errors.FetchFailed`,
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
    with contextlib.suppress(*([InvalidImport] if to == "auto" else [])):  # then it runs as it was published
        convert_folder(folder, store_dir, wanted, on_progress, cancelled)
        return wanted
    return ""


def convert_folder(folder: Path, store_dir: Path, to: str, on_progress: OnProgress, cancelled: Cancelled) -> Path:
    """Convert a Hugging Face folder, replacing an earlier file of that type. Blocks.

    Raises as :func:`convert_where_wanted`.
    """
    from app.weights.converting.convert import quantize  # imports NumPy, which starting the server does without

    path = quantize(folder, to, on_progress, cancelled)
    Checksums(store_dir.absolute()).remember(path, read_checksums(folder)[path.name])
    return path
