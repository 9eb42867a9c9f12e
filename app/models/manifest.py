"""Manifests: what a model is, where its weights come from, and their checksums.

Manifests are read from TOML files by :mod:`app.models.manifest_reader`, or generated for weights in the model store.
A manifest holds families and engines by name only; their users check that they exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from app.domain.reasoning import TAGS
from app.domain.sampling import SamplingParams
from app.weights.formats.converted_files import GGUF_TYPES
from app.weights.sources import WEIGHT_SUFFIXES, FolderSource, HubSource, ModelFile, WheelSource, total_bytes

KINDS = ("chat", "reward")
TUNINGS = ("chat", "none")
SOURCES = ("folder", "hub", "wheel", "upstream")
# The variants of a Hugging Face folder: quantizations of the torch engine (int4 only as the checkpoint's own layout),
# and GGUF number formats for llama.cpp, the smallest and fastest first.
TORCH_QUANTIZATIONS = ("none", "int8", "nf4", "int4")
QUANTIZATIONS = (*TORCH_QUANTIZATIONS, *GGUF_TYPES)
_CODE_SHOWN = 3
ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
# The description of models in the store that have no manifest, by language.
FOUND_DESCRIPTION = {
    "en": "Found in the model store's weights folder; it has no manifest.",
    "zh": "在模型库的 weights 文件夹中找到，没有说明文件。",
}


@dataclass(frozen=True, slots=True)
class UpstreamSource:
    """Another server with an OpenAI-compatible API. A manifest never contains the key itself."""

    base_url: str
    model: str
    api_key_env: str | None = None
    kind: Literal["upstream"] = "upstream"


Source = FolderSource | HubSource | WheelSource | UpstreamSource


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter that can be applied to a loaded model; ``path`` is absolute or relative to the model's folder."""

    name: str
    path: str
    title: str = ""


NO_THINK = "/no_think"
# How a model is told not to think: a variable of its chat template, a word behind the question, an upstream's field.
THINKING_SWITCHES = ("enable_thinking", NO_THINK, "reasoning_effort")


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model does before it answers."""

    switch: str = ""  # one of THINKING_SWITCHES; "": it can't be told not to think, or doesn't
    opened: bool = False  # the prompt of an upstream opens the reasoning, so that replies begin without its tag
    thinks: bool = False  # whether it thinks before it answers

    @classmethod
    def of_template(cls, template: str) -> Reasoning:
        """What a chat template tells: its tags, and the variable that Qwen3 and many others have."""
        return cls(
            "enable_thinking" if "enable_thinking" in template else "",
            thinks=any(tag in template for tag in (*TAGS, *TAGS.values())),
        )


@dataclass(frozen=True, slots=True)
class Variant:
    """One variant of a model: its name among the model's quantizations, and which engine runs it from which files."""

    name: str
    engine: str
    files: tuple[ModelFile, ...]
    quantization: str  # display name
    why: str  # code of the reason for this variant; see app.models.placement


@dataclass(frozen=True, slots=True)
class Manifest:
    """One model. ``source`` is ``None`` for the scripted engine, which has no weights."""

    id: str
    title: str
    family: str
    engine: str  # the name of its factory in app.engine
    kind: str = "chat"  # one of KINDS
    languages: tuple[str, ...] = ()  # empty: unknown
    released: str = ""  # "2024-09": year and month; "": unknown
    tuning: str = "chat"  # one of TUNINGS; "none": only continues texts
    licence: str = ""
    description: str = ""  # in English
    translations: Mapping[str, str] = field(default_factory=dict)  # of the description, by language
    parameters: str = ""  # "135M"
    quantization: str = ""  # "Q4_1"
    context_tokens: int | None = None
    kv_bytes_per_token: int | None = None  # for memory estimates before the weights are downloaded
    architecture: Mapping[str, int | str | bool] = field(default_factory=dict)  # entries of config.json, for the same
    source: Source | None = None
    files: tuple[ModelFile, ...] = ()
    quantizations: tuple[str, ...] = ()  # names of its variants, the default first; empty: only one
    variants: tuple[Variant, ...] = ()  # details of those that differ in engine or files
    why: str = "only_engine"  # reason for its engine: a code of app.models.placement
    load_as: str = ""  # the chosen entry of ``quantizations``; part of ``id`` unless it is the default
    adapters: tuple[Adapter, ...] = ()
    ignored: tuple[str, ...] = ()  # files and settings in its folder that refer to code, which is never run
    default_sampling: SamplingParams = field(default_factory=SamplingParams)
    reasoning: Reasoning = field(default_factory=Reasoning)

    @property
    def base_id(self) -> str:
        """The id without the variant."""
        return self.id.partition("@")[0]

    def loaded_as(self, quantization: str) -> Manifest:
        """This model in one of its variants; "": the default one."""
        if not self.quantizations:
            return self
        default = self.quantizations[0]
        chosen = quantization or default
        usual = Variant(chosen, self.engine, self.files, self.quantization if chosen == "none" else chosen, self.why)
        variant = next((variant for variant in self.variants if variant.name == chosen), usual)
        return replace(
            self,
            id=self.base_id if chosen == default else f"{self.base_id}@{chosen}",
            load_as=chosen,
            engine=variant.engine,
            files=variant.files,
            quantization=variant.quantization,
            why=variant.why,
        )

    def as_published(self) -> Manifest:
        """This model in its published files, not in a conversion of them."""
        own = next((variant.name for variant in self.variants if variant.engine == "torch"), "")
        return self.loaded_as(own)

    def described(self, languages: Iterable[str]) -> str:
        """The description in the first of `languages` for which there is one, else in English."""
        for language in languages:
            if (code := language.split("-")[0].lower()) == "en":
                break
            if code in self.translations:
                return self.translations[code]
        return self.description

    @property
    def note(self) -> str:
        """A note about its files for the user, in English; usually ""."""
        more = f" and {len(self.ignored) - _CODE_SHOWN} more" if len(self.ignored) > _CODE_SHOWN else ""
        shown = ", ".join(self.ignored[:_CODE_SHOWN])
        return f"Code in this folder is never run: {shown}{more}." if shown else ""

    @property
    def weights_file(self) -> ModelFile | None:
        """The first weights file: the one that llama.cpp opens."""
        return next((file for file in self.files if file.path.lower().endswith(WEIGHT_SUFFIXES)), None)

    @property
    def size_bytes(self) -> int | None:
        """Total size of all files, or ``None`` if the manifest does not give it."""
        return total_bytes(self.files)
