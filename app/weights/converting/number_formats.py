"""The GGUF number formats that Parley writes, and the choice of format for each tensor."""

from __future__ import annotations

import math
from collections.abc import Mapping

import gguf

from app.errors import InvalidImport

Kind = gguf.GGMLQuantizationType

# By the name after the @ of a model's reference. The gguf package can read K-quants, but not write them.
KINDS: Mapping[str, Kind] = {
    "f32": Kind.F32,
    "f16": Kind.F16,
    "bf16": Kind.BF16,
    "q4_0": Kind.Q4_0,
    "q4_1": Kind.Q4_1,
    "q5_0": Kind.Q5_0,
    "q5_1": Kind.Q5_1,
    "q8_0": Kind.Q8_0,
}
_FILE_TYPES: Mapping[Kind, gguf.LlamaFileType] = {
    Kind.F32: gguf.LlamaFileType.ALL_F32,
    Kind.F16: gguf.LlamaFileType.MOSTLY_F16,
    Kind.BF16: gguf.LlamaFileType.MOSTLY_BF16,
    Kind.Q4_0: gguf.LlamaFileType.MOSTLY_Q4_0,
    Kind.Q4_1: gguf.LlamaFileType.MOSTLY_Q4_1,
    Kind.Q5_0: gguf.LlamaFileType.MOSTLY_Q5_0,
    Kind.Q5_1: gguf.LlamaFileType.MOSTLY_Q5_1,
    Kind.Q8_0: gguf.LlamaFileType.MOSTLY_Q8_0,
}
_OUTPUT, _EMBEDDING = "output.weight", "token_embd.weight"


def kind_of(name: str) -> Kind:
    """The format called `name`. Raises :class:`InvalidImport`."""
    if name not in KINDS:
        raise InvalidImport(f"There is no format {name[:20]!r}. Choose one of {', '.join(KINDS)}.", field="to")
    return KINDS[name]


def file_type(kind: Kind) -> int:
    """The value of ``general.file_type`` for a file whose matrices have this format."""
    return int(_FILE_TYPES[kind])


def kind_for(name: str, shape: tuple[int, ...], wanted: Kind, *, tied: bool) -> Kind:
    """The format of one tensor of a file in the format `wanted`.

    Like llama.cpp's own tool: norms and biases are small and stay float32; the output matrix (the embedding, if tied)
    is the most sensitive to rounding and gets more bits. llama.cpp uses q6_K for it, which the gguf package can't
    write; here it is q8_0.
    """
    if len(shape) == 1:
        return Kind.F32
    if wanted in (Kind.F32, Kind.F16, Kind.BF16):
        return wanted
    if shape[-1] % gguf.GGML_QUANT_SIZES[wanted][0]:
        return Kind.F16  # rows that are not a multiple of the block size
    return Kind.Q8_0 if name == (_EMBEDDING if tied else _OUTPUT) else wanted


def bytes_of(shape: tuple[int, ...], kind: Kind) -> int:
    """The size of a tensor in the file in bytes, without padding."""
    values, size = gguf.GGML_QUANT_SIZES[kind]
    return math.prod(shape) // values * size
