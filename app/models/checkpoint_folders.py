"""Build manifests from Hugging Face folders: everything that config.json, tokenizer and weights tell.

<store>/weights/<name>/     config.json and safetensors
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.domain.sampling import SamplingParams
from app.errors import DamagedWeights
from app.models import placement
from app.models.manifest import FOUND_DESCRIPTION, Manifest, Reasoning
from app.models.memory import gpus
from app.models.memory.planned_checkpoint import planned_checkpoint, shape_of
from app.models.model_files import ModelFiles
from app.weights.architectures import chatglm
from app.weights.converting.model_types import convertible
from app.weights.formats.chat_template import read_template
from app.weights.formats.checkpoint import (
    CONFIG,
    INDEX,
    TEXT_SUFFIXES,
    WEIGHTS,
    Checkpoint,
    listing,
    read_config,
    weight_files,
)
from app.weights.sources import FolderSource, ModelFile, safe_relative

# The defaults that the original models were published with.
CHATGLM_SAMPLING = SamplingParams(temperature=0.95, top_p=0.7, top_k=50, min_p=0)
CHATGLM_LANGUAGES = ("zh", "en")
CHOICES = ("none", "int8", "nf4")  # for weights that are not quantized yet

_CONTEXT_KEYS = ("max_sequence_length", "seq_length", "max_position_embeddings", "n_positions")
_MAX_CONTEXT_TOKENS = 1 << 24
_DTYPES = {"float16": "float16", "bfloat16": "bfloat16", "float32": "float32", "half": "float16"}
# Models published without a chat template, whose prompt format Parley knows under the same name.
_NAMED_FAMILIES = ("alpaca", "vicuna", "belle")


def is_model_folder(folder: Path) -> bool:
    """Whether a folder in the store looks like a checkpoint, complete or not."""
    return not folder.name.startswith(".") and (folder / CONFIG).is_file()


def implied_model(model_id: str, folder: Path) -> Manifest:
    """A minimal manifest for a folder without one, for :func:`completed`. The model's status reports problems."""
    return Manifest(
        id=model_id,
        title=folder.name,
        family="",
        engine="torch",
        description=FOUND_DESCRIPTION["en"],
        translations=FOUND_DESCRIPTION,
        source=FolderSource(f"weights/{folder.name}"),
    )


def completed(manifest: Manifest, files: ModelFiles) -> Manifest:
    """A torch model's manifest with the fields that it leaves open filled in from its folder, if that can be read."""
    folder = files.folder(manifest)
    manifest = replace(manifest, files=manifest.files or _files(folder))
    try:
        config = read_config(folder)
    except DamagedWeights:
        return _with_predictions(replace(manifest, family=manifest.family or "native"))
    manifest = replace(
        manifest,
        family=manifest.family or _family(config, folder),
        quantization=manifest.quantization or _quantization(config),
        context_tokens=manifest.context_tokens or _context_tokens(config),
    )
    manifest = _with_variants(manifest, config, listing(folder))
    if config.get("model_type") == "chatglm":
        usual = manifest.default_sampling == SamplingParams()
        manifest = replace(
            manifest,
            languages=manifest.languages or CHATGLM_LANGUAGES,
            default_sampling=CHATGLM_SAMPLING if usual else manifest.default_sampling,
        )
    try:
        checkpoint = files.checkpoint(manifest)
    except DamagedWeights:
        return manifest
    manifest = replace(manifest, reasoning=_reasoning(manifest, folder))
    return replace(manifest, parameters=manifest.parameters or size_label(checkpoint), ignored=checkpoint.code)


def _reasoning(manifest: Manifest, folder: Path) -> Reasoning:
    """What the manifest says of its reasoning, or else its chat template."""
    if manifest.reasoning.thinks or manifest.family != "native":
        return manifest.reasoning
    try:
        template = read_template(folder)
    except DamagedWeights:  # told when it is loaded
        return manifest.reasoning
    return Reasoning.of_template(template.text) if template else manifest.reasoning


def _with_predictions(manifest: Manifest) -> Manifest:
    """The manifest of a model that is not downloaded yet, with size and variants predicted from its [architecture]."""
    planned = planned_checkpoint(shape_of(manifest))
    if planned is None:
        return manifest
    manifest = replace(manifest, parameters=manifest.parameters or size_label(planned))
    wanted = placement.conversion_to_make(manifest.architecture, gpu=gpus.has_gpu())
    return _with_variants(manifest, manifest.architecture, [f"{manifest.id}-{wanted}.gguf"] if wanted else [])


def _with_variants(manifest: Manifest, config: Mapping[str, Any], names: Sequence[str]) -> Manifest:
    """The manifest with all variants; the quantizations that it lists itself come first."""
    found = placement.variants(
        manifest,
        choices(config),
        placement.conversions(names),
        convertible=config.get("model_type") in convertible(),
        gpu=gpus.has_gpu(),
    )
    return replace(manifest, variants=found, quantizations=tuple(variant.name for variant in found))


def _family(config: Mapping[str, Any], folder: Path) -> str:
    """The prompt format: the model's own chat template, else one known by the model's name, else a transcript."""
    if config.get("model_type") == "chatglm":
        return chatglm_family(config, folder)
    if _has_template(folder):
        return "native"
    names = f"{config.get('_name_or_path', '')} {folder.name}".lower()
    return next((family for family in _NAMED_FAMILIES if family in names), "transcript")


def _has_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file():
        return True
    try:
        return bool(read_config(folder, "tokenizer_config.json").get("chat_template"))
    except DamagedWeights:  # missing or unreadable: read_checkpoint reports that
        return False


def chatglm_family(config: Mapping[str, Any], folder: Path) -> str:
    """The prompt format of a ChatGLM folder, by its generation.

    ChatGLM3 has ChatGLM2's architecture; it is recognized by its tokenizer's role tokens or by its name.
    """
    if chatglm.generation(config) == "chatglm":
        return "chatglm"
    names = f"{config.get('_name_or_path', '')} {folder.name}".lower()
    if "chatglm3" in names or _has_role_tokens(folder):
        return "chatglm3"
    return "chatglm2"


def size_label(checkpoint: Checkpoint) -> str:
    """ "6.2B", "135M": how many parameters."""
    count = checkpoint.parameters
    for unit, name in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= unit:
            shown = f"{count / unit:.1f}" if count < 10 * unit else f"{count / unit:.0f}"
            return f"{shown.removesuffix('.0')}{name}"
    return str(count)


def _files(folder: Path) -> tuple[ModelFile, ...]:
    """All files that a loader opens; always the required ones, so that a missing file is reported."""
    try:
        names = listing(folder)
    except (OSError, DamagedWeights):
        return ModelFile(CONFIG), ModelFile(WEIGHTS)
    texts = [n for n in names if n.endswith(TEXT_SUFFIXES) and n not in (CONFIG, INDEX) and safe_relative(n)]
    try:
        weights: tuple[str, ...] = weight_files(folder)
    except (OSError, DamagedWeights):
        weights = ()
    index = [INDEX] if INDEX in names and WEIGHTS not in names else []
    return tuple(ModelFile(name) for name in (CONFIG, *index, *weights, *texts))


def _quantization(config: Mapping[str, Any]) -> str:
    if bits := config.get("quantization_bit"):
        return f"int{bits}" if bits in (4, 8) else ""
    return _DTYPES.get(str(config.get("torch_dtype") or config.get("dtype") or ""), "")


def choices(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The quantizations with which PyTorch can load a model of this configuration, the default first."""
    if bits := config.get("quantization_bit"):
        return (f"int{bits}",) if bits in (4, 8) else ()
    return () if "quantization_config" in config else CHOICES


def _context_tokens(config: Mapping[str, Any]) -> int | None:
    for key in _CONTEXT_KEYS:
        value = config.get(key)
        if type(value) is int and 0 < value <= _MAX_CONTEXT_TOKENS:
            return value
    return None


def _has_role_tokens(folder: Path) -> bool:
    """Whether the tokenizer's configuration contains ChatGLM3's role tokens."""
    try:
        settings = read_config(folder, "tokenizer_config.json")
    except DamagedWeights:
        return False
    return "<|assistant|>" in str(settings)
