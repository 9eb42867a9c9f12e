"""What a family has to say, and which family a model belongs to."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Protocol

import gguf
import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidImport
from app.weights.converting.config import Config

# By ``model_type`` of config.json: the module that knows it. Mistral's first models are LLaMAs in all but name.
_FAMILIES: Mapping[str, str] = {
    "llama": "llama",
    "mistral": "llama",
    "qwen2": "qwen",
    "qwen3": "qwen",
    "bloom": "bloom",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One tensor of the GGUF file, and where its numbers come from."""

    name: str  # in the GGUF file, with ".weight" or ".bias"
    shape: tuple[int, ...]  # (rows, columns) or (numbers,)
    source: str = ""  # the tensor in the checkpoint, of the same shape
    rows: NDArray[np.intp] | None = None  # which row of the source comes at each place; None: as they are
    values: NDArray[np.float32] | None = None  # computed, not stored in the checkpoint


class Family(Protocol):
    """An architecture that can be rewritten for llama.cpp."""

    def architecture(self, config: Config) -> gguf.MODEL_ARCH:
        """Its name in llama.cpp."""
        ...

    def parts(self, config: Config, names: Set[str]) -> Iterator[Part]:
        """The tensors in the order of the computation; `names` are those that the checkpoint has.

        Raises :class:`InvalidImport` for a configuration that llama.cpp can't compute.
        """
        ...

    def describe(self, config: Config, writer: gguf.GGUFWriter) -> None:
        """Write the metadata that llama.cpp builds the model from."""
        ...

    def is_left_out(self, name: str, config: Config) -> bool:
        """Whether a tensor of the checkpoint is rightly not carried over (tables that are computed, a tied head)."""
        ...


def family_of(config: Config) -> Family:
    """The family of a model. Raises :class:`InvalidImport` for one that is not known."""
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in _FAMILIES:
        known = ", ".join(_FAMILIES)
        raise InvalidImport(
            f"Models of the architecture {str(kind)[:40]!r} can't be converted for llama.cpp; only {known} can. "
            "It runs in PyTorch as it is, or from a GGUF file if one is published.",
            architecture=str(kind)[:40],
        )
    family: Family = importlib.import_module(f"app.weights.converting.architectures.{_FAMILIES[kind]}").FAMILY
    return family


def gguf_name(names: gguf.TensorNameMap, source: str) -> str:
    """The name in GGUF of a tensor of the checkpoint."""
    found = names.get_name(source, try_suffixes=(".weight", ".bias"))
    if found is None:
        raise InvalidImport(f"The tensor {source[:80]} does not exist in llama.cpp's version of this architecture.")
    return found
