"""Choose the engine for a model, and the reason: a Hugging Face folder may also contain GGUF conversions.

    <store>/weights/<name>/<name>-<type>.gguf    in that number format, written by ``parley models quantize``

Each conversion and each PyTorch quantization is a *variant* of the model, with a name such as ``llama-7b@q4_0``
or ``llama-7b@nf4``. The first variant is the default: the first one in the manifest; else PyTorch if it can use a GPU;
else llama.cpp with the smallest conversion, because generation on a CPU is limited by memory bandwidth (figures in
docs/benchmarks.md); else PyTorch on the CPU.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from app.models.manifest import Manifest, Variant
from app.weights.converting.model_types import convertible
from app.weights.formats.converted_files import GGUF_TYPES, converted_files
from app.weights.sources import ModelFile

# Reasons for the choice of an engine: a code, which front ends translate, and its text.
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

    `choices` are the PyTorch quantizations, `converted` the existing conversions by number format; `convertible`:
    whether the model can be converted; `gpu`: whether PyTorch can use a GPU.
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
    """Why the first variant is the default if the manifest lists none: one of :data:`REASONS`."""
    if is_converted:
        return "smallest_gguf"
    if gpu:
        return "gpu"
    return "no_gguf" if convertible else "only_engine"


def conversion_to_make(config: Mapping[str, object], *, gpu: bool) -> str:
    """The number format to convert a model with this ``config.json`` to, for speed on a CPU; "" for none."""
    if gpu or config.get("model_type") not in convertible() or "quantization_config" in config:
        return ""
    return GGUF_TYPES[0]
