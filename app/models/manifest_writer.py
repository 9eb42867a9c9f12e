"""Write manifests of Hub models as TOML; :mod:`app.models.manifest_reader` reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from app.models.manifest import Manifest
from app.models.manifest_reader import load_manifest
from app.weights.sources import HubSource


def manifest_text(m: Manifest) -> str:
    """The manifest of a Hub model as TOML; empty fields are omitted."""
    return "\n".join(_lines(m)) + "\n"


def write_manifest(m: Manifest, folder: Path) -> Path:
    """Write the manifest into `folder`, atomically and after checking that it can be read; returns its path.

    Raises :class:`~app.errors.InvalidManifest` if it could not be read, and ``OSError``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{m.id}.toml"
    draft = folder / f".{m.id}.toml.part"
    draft.write_text(manifest_text(m), "utf-8")
    load_manifest(draft)
    draft.replace(path)
    return path


def _lines(m: Manifest) -> Iterator[str]:
    texts = {
        "id": m.id,
        "title": m.title,
        "description": m.description,
        "family": m.family,
        "engine": m.engine,
        "licence": m.licence,
        "parameters": m.parameters,
        "quantization": m.quantization,
    }
    yield from (f"{key} = {_quoted(text)}" for key, text in texts.items() if text)
    if m.context_tokens:
        yield f"context_tokens = {m.context_tokens}"
    if m.translations:
        yield "\n[translations]"
        yield from (f"{language} = {_quoted(text)}" for language, text in m.translations.items())
    if isinstance(m.source, HubSource):
        yield '\n[source]\nkind = "hub"'
        yield f"repo = {_quoted(m.source.repo)}"
        yield f"revision = {_quoted(m.source.revision)}"
    for file in m.files:
        yield f"\n[[files]]\npath = {_quoted(file.path)}"
        if file.sha256:
            yield f"sha256 = {_quoted(file.sha256)}"
        if file.size_bytes:
            yield f"size_bytes = {file.size_bytes}"


def _quoted(text: str) -> str:
    """A TOML string: JSON escapes are valid TOML, but TOML also requires U+007F to be escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
