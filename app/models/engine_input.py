"""Which sources and weight formats an engine accepts: declared by its factory, checked when a manifest is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.errors import InvalidManifest
from app.models.manifest import Manifest
from app.weights.formats.shards import is_gguf
from app.weights.sources import HubSource

_SOURCES = {"folder": "a folder", "hub": "a hub", "wheel": "a wheel", "upstream": "an upstream"}


@dataclass(frozen=True, slots=True)
class EngineInput:
    """The kinds of sources that an engine accepts (empty: it has no weights), and the format of its weights."""

    sources: tuple[str, ...]
    weights: Literal["gguf", "checkpoint", "none"]  # checkpoint: a Hugging Face folder with safetensors

    def __str__(self) -> str:
        *others, last = [_SOURCES[source] for source in self.sources] or ["none"]
        return f"{', '.join(others)} or {last}" if others else last


GGUF = EngineInput(("folder", "hub", "wheel"), "gguf")
CHECKPOINT = EngineInput(("folder", "hub"), "checkpoint")
UPSTREAM = EngineInput(("upstream",), "none")
NOTHING = EngineInput((), "none")

EngineInputs = Mapping[str, EngineInput]  # by the engine's name


def check_engine(path: Path, m: Manifest, engines: EngineInputs) -> None:
    """Check that the engine of `m`, a manifest read from `path`, accepts it. Raises :class:`InvalidManifest`."""
    wanted = engines[m.engine]
    kind = m.source.kind if m.source else None
    if kind not in (wanted.sources or (None,)):
        all_of_them = ", ".join(f"{name} takes {given}" for name, given in engines.items())
        raise _invalid(path, "source", f"the engine {m.engine} does not work with this source: {all_of_them}.")
    if wanted.weights == "none":
        if m.files:
            raise _invalid(path, "files", f"the engine {m.engine} has no files of its own; remove [[files]].")
    elif wanted.weights == "checkpoint":
        _check_checkpoint(path, m)
    else:
        _check_gguf(path, m)


def _check_gguf(path: Path, m: Manifest) -> None:
    if m.quantizations or m.architecture:
        key = "quantizations" if m.quantizations else "architecture"
        text = f"{key} works with the engine torch only; the engine {m.engine} uses its weights as they are."
        raise _invalid(path, key, text)
    if isinstance(m.source, HubSource) and m.source.base:
        text = "base works with the engine torch only: delta weights are applied to safetensors."
        raise _invalid(path, "source", text)
    if m.weights_file is None or not is_gguf(m.weights_file.path):
        raise _invalid(path, "files", f"[[files]] names no weights; the engine {m.engine} reads .gguf files.")
    one_whole_file = len(m.files) == 1 and m.files[0].sha256 and m.files[0].size_bytes
    if m.source is not None and m.source.kind == "wheel" and not one_whole_file:
        raise _invalid(path, "files", "a wheel provides exactly one file, which needs sha256 and size_bytes.")


def _check_checkpoint(path: Path, m: Manifest) -> None:
    """Check a Hugging Face folder; without [[files]] its files are listed (:mod:`app.models.checkpoint_folders`)."""
    named = {file.path for file in m.files}
    if named and ("config.json" not in named or not any(file.endswith(".safetensors") for file in named)):
        text = "[[files]] must name config.json and the .safetensors files; or leave [[files]] out."
        raise _invalid(path, "files", text)


def _invalid(path: Path, key: str, problem: str) -> InvalidManifest:
    return InvalidManifest(f"{path}: {problem}", path=str(path), key=key)
