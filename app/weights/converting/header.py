"""Writes the header of a GGUF file: metadata, vocabulary and tensor infos."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import gguf
import numpy as np

from app.weights.converting.converter import Converter
from app.weights.converting.number_formats import Kind, file_type
from app.weights.converting.tensors import TensorJob
from app.weights.converting.vocabulary import Vocabulary
from app.weights.formats.checkpoint import Checkpoint

_CARD_BYTES = 64 << 10
_LICENCE = re.compile(r"^license:\s*([A-Za-z0-9][A-Za-z0-9.+_-]{0,40})\s*$", re.MULTILINE)


def write_header(
    path: Path,
    checkpoint: Checkpoint,
    converter: Converter,
    vocabulary: Vocabulary,
    jobs: Sequence[TensorJob],
    kind: Kind,
) -> None:
    """Write everything before the tensor data. Raises ``OSError``."""
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[converter.architecture])
    try:
        writer.add_type(gguf.GGUFType.MODEL)
        writer.add_name(checkpoint.folder.name)
        if licence := _licence(checkpoint.folder):
            writer.add_license(licence)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        writer.add_file_type(file_type(kind))
        converter.describe(checkpoint.config, writer)
        vocabulary.describe(writer)
        for job in jobs:
            writer.add_tensor_info(job.part.name, job.part.shape, np.dtype(np.float32), job.size_bytes, job.kind)
        writer.add_size_label(gguf.size_label(*writer.get_total_parameter_count()))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
    finally:
        writer.close()


def _licence(folder: Path) -> str:
    """The licence in the metadata of the model card, if there is one."""
    try:
        with (folder / "README.md").open("rb") as card:
            top = card.read(_CARD_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    found = _LICENCE.search(top.split("\n---", 1)[0]) if top.startswith("---") else None
    return found.group(1) if found else ""
