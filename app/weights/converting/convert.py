"""Converts a Hugging Face folder to GGUF (``parley models quantize``), atomically.

<folder>/<its name>-<type>.gguf           the result, renamed once it is written and checked; checksum in SHA256SUMS
<folder>/.<its name>-<type>.gguf.draft    work in progress

The gguf package provides tensor names, the header and quantization. Only a few slices of one tensor are in memory at a
time.
"""

from __future__ import annotations

from pathlib import Path

from app.errors import Conflict, DamagedWeights, FetchCancelled, FetchFailed, InvalidImport
from app.system.disk import DISK_FULL, check_space
from app.system.locks import locked
from app.weights.converting.converter import Converter, Part, converter_for
from app.weights.converting.header import write_header
from app.weights.converting.number_formats import Kind, bytes_of, kind_for, kind_of
from app.weights.converting.tensors import TensorJob, write_tensors
from app.weights.converting.tokenizers.reading import read_vocabulary
from app.weights.formats.checkpoint import Checkpoint, damaged, read_checkpoint
from app.weights.formats.converted_files import converted_name
from app.weights.formats.gguf import read_header
from app.weights.formats.safetensors import FLOATS
from app.weights.formats.sha256sums import read_checksums, write_checksums
from app.weights.progress import Cancelled, OnProgress, Progress

_HEADER_BYTES = 16 << 20  # upper bound: a vocabulary of 250,000 tokens takes 12 MB


def quantize(folder: Path, to: str, on_progress: OnProgress, cancelled: Cancelled) -> Path:
    """Convert the model in `folder` to the format `to`; returns the file. **Blocks**; polls `cancelled`.

    Raises :class:`InvalidImport` for an unsupported model, tokenizer or format, or incomplete weights;
    :class:`FetchFailed` for a full disk; :class:`FetchCancelled`; :class:`Conflict` while another process converts it.
    """
    kind = kind_of(to)
    folder = folder.absolute()
    target = folder / converted_name(folder, to)
    draft = folder / f".{target.name}.draft"

    def refuse() -> None:
        raise Conflict(f"{folder.name} is being converted by another process. Wait until it is done.")

    try:
        with locked(folder, refuse):
            try:
                digest = _write(folder, kind, draft, on_progress, cancelled)
                read_header(draft)
                draft.replace(target)
            finally:
                draft.unlink(missing_ok=True)
            write_checksums(folder, {target.name: digest})
    except DamagedWeights as err:
        raise InvalidImport(err.message, **err.details) from err
    except OSError as err:
        raise _disk_error(folder, err) from err
    return target


def _write(folder: Path, kind: Kind, draft: Path, on_progress: OnProgress, cancelled: Cancelled) -> str:
    """Write the file `draft`; returns its SHA-256."""
    read_checksums(folder)  # raises for a damaged list before the conversion
    checkpoint = read_checkpoint(folder)
    converter = converter_for(checkpoint.config)
    jobs = _jobs(checkpoint, converter, kind)
    vocabulary = read_vocabulary(folder, checkpoint.config, jobs[0].part.shape[0])
    total = sum(job.size_bytes for job in jobs)
    check_space(folder, total + _HEADER_BYTES, cure="Free some space, or choose a smaller format.")
    on_progress(Progress("quantizing", 0, total))
    if cancelled():
        raise FetchCancelled("Cancelled.")
    write_header(draft, checkpoint, converter, vocabulary, jobs, kind)
    return write_tensors(draft, checkpoint, jobs, on_progress, cancelled)


def _jobs(checkpoint: Checkpoint, converter: Converter, kind: Kind) -> list[TensorJob]:
    """The tensors to write and their sources. Raises for a tensor of the checkpoint that would not be used."""
    if "quantization_config" in checkpoint.config:
        raise InvalidImport(
            f"{checkpoint.folder.name} is already quantized, in a PyTorch format. Download the unquantized weights."
        )
    parts = list(converter.parts(checkpoint.config, checkpoint.tensors.keys()))
    for part in parts:
        _check(checkpoint, part)
    used = {part.source for part in parts}
    for name in checkpoint.tensors:
        if name not in used and not converter.is_left_out(name, checkpoint.config):
            raise damaged(checkpoint.folder, f"holds the tensor {name[:80]}, which its architecture does not have.")
    tied = not any(part.name == "output.weight" for part in parts)
    kinds = [kind_for(part.name, part.shape, kind, tied=tied) for part in parts]
    return [TensorJob(part, one, bytes_of(part.shape, one)) for part, one in zip(parts, kinds, strict=True)]


def _check(checkpoint: Checkpoint, part: Part) -> None:
    if part.values is not None:
        return
    found = checkpoint.tensors.get(part.source)
    if found is None:
        raise damaged(checkpoint.folder, f"lacks the tensor {part.source[:80]}. Download it again.")
    if found.shape != part.shape:
        raise damaged(
            checkpoint.folder,
            f"has the tensor {part.source[:80]} in the shape {found.shape}; its config.json asks for {part.shape}.",
        )
    if found.dtype not in FLOATS:
        raise damaged(checkpoint.folder, f"has the tensor {part.source[:80]} as {found.dtype}, not as plain numbers.")


def _disk_error(folder: Path, err: OSError) -> FetchFailed:
    if err.errno in DISK_FULL:
        return FetchFailed(f"The disk of {folder} is full. Free some space and try again; no partial file is left.")
    return FetchFailed(f"{folder} can't be written: {err.strerror}. Fix that and try again.")
