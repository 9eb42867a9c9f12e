"""Which engine runs a model, and why: beside a Hugging Face folder's own weights there may be GGUF conversions.

    <store>/weights/<name>/<name>-<type>.gguf    in that number format, as ``parley models quantize`` writes it

Each conversion and each of PyTorch's quantizations is a *variant* of the model, named behind its id: ``llama-7b@q4_0``,
``llama-7b@nf4``. The first variant is taken where nobody chooses: what a manifest names first; else PyTorch where it
can use a GPU; else llama.cpp with the smallest conversion, because a processor's speed is that of its memory (figures
in docs/benchmarks.md); else PyTorch, on the processor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from app.models.manifest import Manifest, Variant
from app.weights.converting.model_types import convertible
from app.weights.formats.converted_files import GGUF_TYPES, converted_files
from app.weights.sources import ModelFile

# Why a model runs where it does: a code, for front ends that translate, and its text.
REASONS: Mapping[str, str] = {
    "only_engine": "the only engine for these files",
    "chosen": "chosen by name",
    "gpu": "PyTorch can use the GPU",
    "smallest_gguf": "llama.cpp with a GGUF conversion is fastest on a CPU",
    "no_gguf": "no GGUF conversion, which would be faster on a CPU: parley models quantize",
}


def conversions(names: Iterable[str]) -> dict[str, ModelFile]:
    """The GGUF conversions among the files of a folder, by their number format, the smallest first."""
    return {gguf_type: ModelFile(name) for gguf_type, name in converted_files(names).items()}


def variants(
    manifest: Manifest, choices: Sequence[str], converted: Mapping[str, ModelFile], *, convertible: bool, gpu: bool
) -> tuple[Variant, ...]:
    """All variants of `manifest`, the default first.

    `choices` are PyTorch's quantizations, `converted` the conversions that are there; `convertible` says whether there
    could be some, `gpu` whether PyTorch can use a GPU.
    """
    usual = [*choices, *converted] if gpu else [*converted, *choices]
    names = [name for name in dict.fromkeys([*manifest.quantizations, *usual]) if name in usual]
    whys = ["chosen"] * len(names)
    if names and not manifest.quantizations:
        whys[0] = _reason(names[0] in converted, convertible, gpu)
    return tuple(
        Variant(name, "llama_cpp", (converted[name],), name, why)
        if name in converted
        else Variant(name, "torch", manifest.files, manifest.quantization if name == "none" else name, why)
        for name, why in zip(names, whys, strict=True)
    )


def _reason(is_converted: bool, convertible: bool, gpu: bool) -> str:
    """Why the first variant is the first, where nobody said so: one of :data:`REASONS`."""
    if is_converted:
        return "smallest_gguf"
    if gpu:
        return "gpu"
    return "no_gguf" if convertible else "only_engine"


def conversion_to_make(config: Mapping[str, object], *, gpu: bool) -> str:
    """The type of the conversion without which a model of this ``config.json`` would run slowly here; "": none."""
    if gpu or config.get("model_type") not in convertible() or "quantization_config" in config:
        return ""
    return GGUF_TYPES[0]
