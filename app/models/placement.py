"""Which engine runs a model, and why: beside a Hugging Face folder's own weights may lie copies for llama.cpp.

    <store>/weights/<name>/<name>-<type>.gguf    a copy in that number format, as ``parley models quantize`` writes it

Each copy and each of PyTorch's quantizations is a *way* of loading the model, named behind its id: ``llama-7b@q4_0``,
``llama-7b@nf4``. The first way is taken where nobody chooses: what a manifest names first; else PyTorch where it can
use a graphics card; else llama.cpp with the smallest copy, because a processor's speed is that of its memory (figures
in docs/benchmarks.md); else PyTorch, on the processor.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from app.models.manifest import Manifest, Way
from app.weights.formats.converted_files import GGUF_TYPES, converted_files
from app.weights.sources import ModelFile

_CARDS = ("dev/nvidia0", "dev/kfd")  # NVIDIA's and AMD's drivers

# ``model_type`` of what :mod:`app.weights.converting` can rewrite for llama.cpp.
CONVERTIBLE = frozenset({"bloom", "llama", "mistral", "qwen2", "qwen3"})

# Why a model runs where it does: a code, for front ends that translate, and its text.
REASONS: Mapping[str, str] = {
    "only_engine": "the only engine for these files",
    "chosen": "chosen by name",
    "graphics_card": "PyTorch can use the GPU",
    "smallest_copy": "llama.cpp with a GGUF conversion is fastest on a CPU",
    "no_copy": "no GGUF conversion, which would be faster on a CPU: parley models quantize",
}


def copies(names: Iterable[str]) -> dict[str, ModelFile]:
    """The converted files in a folder, by their number format, the smallest first."""
    return {gguf_type: ModelFile(name) for gguf_type, name in converted_files(names).items()}


def ways(
    manifest: Manifest, choices: Sequence[str], found: Mapping[str, ModelFile], *, convertible: bool, card: bool
) -> tuple[Way, ...]:
    """All ways of loading `manifest`, the default first.

    `choices` are PyTorch's, `found` are the copies; `convertible` says whether there could be copies, `card` whether
    PyTorch can use a graphics card.
    """
    usual = [*choices, *found] if card else [*found, *choices]
    names = [name for name in dict.fromkeys([*manifest.quantizations, *usual]) if name in usual]
    whys = ["chosen"] * len(names)
    if names and not manifest.quantizations:
        whys[0] = _reason(names[0] in found, convertible, card)
    return tuple(
        Way(name, "llama_cpp", (found[name],), name, why)
        if name in found
        else Way(name, "torch", manifest.files, manifest.quantization if name == "none" else name, why)
        for name, why in zip(names, whys, strict=True)
    )


def _reason(is_copy: bool, convertible: bool, card: bool) -> str:
    """Why the first way is the first, where nobody said so: one of :data:`REASONS`."""
    if is_copy:
        return "smallest_copy"
    if card:
        return "graphics_card"
    return "no_copy" if convertible else "only_engine"


def copy_to_make(config: Mapping[str, object], *, card: bool) -> str:
    """The type of the copy without which a model of this ``config.json`` would run slowly here; "": none."""
    if card or config.get("model_type") not in CONVERTIBLE or "quantization_config" in config:
        return ""
    return GGUF_TYPES[0]


@functools.cache
def has_card(root: Path = Path("/")) -> bool:
    """Whether there is a graphics card and a PyTorch that was built for one."""
    if not any((root / card).exists() for card in _CARDS) or importlib.util.find_spec("torch") is None:
        return False
    try:
        return "+cpu" not in version("torch")
    except PackageNotFoundError:  # on the path without being installed: nobody knows how it was built
        return True
