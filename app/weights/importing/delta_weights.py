"""Import of models published as delta weights for LLaMA: Alpaca and Vicuna."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import InvalidImport
from app.weights.formats.checkpoint import CONFIG, TEXT_SUFFIXES, inside, listing, read_config
from app.weights.formats.safetensors import read_tensors
from app.weights.importing.huggingface import inspect_folder, model_weights, stored, texts_of
from app.weights.importing.meta import find_meta, is_meta
from app.weights.importing.source import ImportSource, jobs_of

# The sum of all parameters of Alpaca 7B, published by its authors to verify a recovered model. It was computed in
# float32, tensor by tensor, and includes the rotary frequencies, which older files store for each layer.
_ALPACA_TOTAL = 50637.1836
_ALPACA_WITHIN = 0.5  # tolerance for rounding; with a wrong base the deviation is much larger


@dataclass(frozen=True, slots=True)
class Base:
    """The base model that delta weights are applied to."""

    weights: Mapping[str, Any]  # for the worker
    files: tuple[Path, ...]
    folder: Path

    @property
    def size_bytes(self) -> int:
        """Bytes of its weights, about the same as of the result."""
        return sum(path.stat().st_size for path in self.files)


def find_base(path: Path) -> Base:
    """The base in a Hugging Face folder, Meta's folder, or the folder of a file. Raises :class:`InvalidImport`."""
    path = path.expanduser().absolute()
    folder = path.parent if path.is_file() else path
    if not folder.is_dir():
        raise InvalidImport(
            f"The base {path} does not exist. Name the folder of the model that the delta weights are for."
        )
    names = listing(folder)
    if CONFIG not in names and is_meta(names):
        found = find_meta(folder)
        return Base(found.weights, found.shards, folder)
    if CONFIG not in names:
        raise InvalidImport(f"The base {folder} has neither {CONFIG} nor Meta's consolidated files.")
    files = [inside(folder, name) for name in model_weights(folder, names)[0]]
    return Base(stored(files), tuple(files), folder)


def inspect_delta_weights(folder: Path, base_path: Path) -> ImportSource:
    """Inspect delta weights and their base. Raises :class:`InvalidImport`, :class:`~app.errors.DamagedWeights`."""
    delta = inspect_folder(folder)
    if delta.kind != "model":
        raise InvalidImport(f"{folder} has an adapter, not delta weights. Import it without --base.")
    base = find_base(base_path)
    names = listing(folder)
    files = [inside(folder, name) for name in model_weights(folder, names)[0]]
    texts: dict[str, Path | str] = {**_tokenizer(base.folder, names), **texts_of(folder, names)}
    config = read_config(folder)
    del texts[CONFIG]
    names_it = f"{folder.name} {config.get('_name_or_path', '')}".lower()
    weights = {
        "kind": "base_plus_delta",
        "base": base.weights,
        "delta": stored(files),
        "fill": "zero" if "vicuna" in names_it else "mean",
    }
    is_alpaca = "alpaca" in names_it and (config.get("hidden_size"), config.get("vocab_size")) == (4096, 32001)
    return ImportSource(
        folder=folder,
        name=delta.name,
        kind="model",
        inputs=(*files, *base.files, *(inside(folder, name) for name in texts_of(folder, names))),
        jobs=jobs_of(weights, base.size_bytes),
        texts=texts,
        finish=lambda target: _write_config(target, config),
        judge=(lambda total: judge_alpaca(total, config)) if is_alpaca else None,
    )


def judge_alpaca(total: float, config: Mapping[str, Any]) -> str:
    """A message on whether the sum of a recovered Alpaca 7B matches the published one."""
    width = int(config["hidden_size"]) // int(config["num_attention_heads"])
    rotary = math.fsum(10_000.0 ** (-i / width) for i in range(0, width, 2)) * int(config["num_hidden_layers"])
    near = min(total, total + rotary, key=lambda value: abs(value - _ALPACA_TOTAL))
    if abs(near - _ALPACA_TOTAL) <= _ALPACA_WITHIN:
        return f"The sum of its weights, {near:,.2f}, is the published one: this is Alpaca 7B."
    return (
        f"The sum of its weights is {near:,.2f}; the published one of Alpaca 7B is {_ALPACA_TOTAL:,.2f}. The base "
        "may not be LLaMA 7B as published by Meta: check the replies before you trust them."
    )


def _tokenizer(base: Path, names: list[str]) -> dict[str, Path]:
    """The base's tokenizer files, if the delta weights have none."""
    if any(name.startswith("tokenizer.") for name in names):
        return {}
    wanted = ("tokenizer", "special_tokens_map", "added_tokens")
    return {n: inside(base, n) for n in listing(base) if n.startswith(wanted) and n.endswith(TEXT_SUFFIXES)}


def _write_config(target: Path, config: Mapping[str, Any]) -> None:
    """Write the delta's ``config.json`` with the dtype of the result."""
    kinds = [tensor.dtype for path in target.glob("*.safetensors") for tensor in read_tensors(path).values()]
    changed = {key: value for key, value in config.items() if key != "dtype"}
    changed["torch_dtype"] = "bfloat16" if "BF16" in kinds else "float16"
    (target / CONFIG).write_text(json.dumps(changed, indent=2), "utf-8")
