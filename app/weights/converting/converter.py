"""The interface of a converter from an architecture to GGUF, and the lookup of a model's converter."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Set
from dataclasses import dataclass
from typing import Protocol

import gguf
import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidImport
from app.weights.converting import model_types
from app.weights.converting.config import Config


@dataclass(frozen=True, slots=True)
class Part:
    """One tensor of the GGUF file, and the source of its values."""

    name: str  # in the GGUF file, with ".weight" or ".bias"
    shape: tuple[int, ...]  # (rows, columns) or (elements,)
    source: str = ""  # the tensor in the checkpoint, of the same shape
    rows: NDArray[np.intp] | None = None  # index of the source's row for each row; None: same order
    values: NDArray[np.float32] | None = None  # computed, not stored in the checkpoint


class Converter(Protocol):
    """Converts one architecture to GGUF."""

    @property
    def architecture(self) -> gguf.MODEL_ARCH:
        """Its name in llama.cpp."""
        ...

    def row_order(self, layer: str, heads: int, heads_kv: int, head: int) -> NDArray[np.intp] | None:
        """The permutation of rows for llama.cpp's `layer`, such as ``attn_q``: the checkpoint's row for each row.

        ``None`` where the order is the same. `head` is the size of one head.
        """
        ...

    def parts(self, config: Config, names: Set[str]) -> Iterator[Part]:
        """The tensors in the order of the computation; `names` are the checkpoint's tensor names.

        Raises :class:`InvalidImport` for a configuration that llama.cpp does not support.
        """
        ...

    def describe(self, config: Config, writer: gguf.GGUFWriter) -> None:
        """Write the metadata that llama.cpp builds the model from."""
        ...

    def is_left_out(self, name: str, config: Config) -> bool:
        """Whether a tensor of the checkpoint is not needed in the GGUF file (computed tables, a tied head)."""
        ...


def converter_for(config: Config) -> Converter:
    """The converter for a model's ``config.json``. Raises :class:`InvalidImport` for an unsupported architecture."""
    return _converter(model_types.require_convertible(config))


def converter_for_gguf(architecture: str) -> Converter | None:
    """A converter to this ``general.architecture``; ``None`` where there is none."""
    converters = (_converter(kind) for kind in sorted(model_types.convertible()))
    return next((one for one in converters if gguf.MODEL_ARCH_NAMES[one.architecture] == architecture), None)


def _converter(model_type: str) -> Converter:
    converter: Converter = importlib.import_module(f"{model_types.__name__}.{model_type}").CONVERTER
    return converter


def gguf_name(names: gguf.TensorNameMap, source: str) -> str:
    """The GGUF name of a checkpoint's tensor. Raises :class:`InvalidImport`."""
    found = names.get_name(source, try_suffixes=(".weight", ".bias"))
    if found is None:
        raise InvalidImport(f"The tensor {source[:80]} does not exist in llama.cpp's version of this architecture.")
    return found
