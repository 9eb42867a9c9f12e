"""Fetch a model and make it run well on this machine: its files, its manifest, its GGUF conversion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from app.models.catalog import Catalog
from app.models.checkpoint_folders import completed, implied_model
from app.models.fetch_files import fetch_files
from app.models.gguf_conversion import ConvertTo, convert_where_wanted
from app.models.manifest import Manifest
from app.models.manifest_writer import write_manifest
from app.models.model_files import ModelFiles
from app.weights.progress import Cancelled, OnProgress


def fetch_model(
    manifest: Manifest, store_dir: Path, on_progress: OnProgress, cancelled: Cancelled, *, to: ConvertTo = "auto"
) -> Manifest:
    """Fetch what is missing of a model, and convert it; returns its manifest. Blocks.

    A manifest that the store does not know, because it was made of a hub's listing, is completed by what the files say
    and written into the store. Raises as :func:`~app.models.fetch_files.fetch_files` and
    :func:`~app.models.gguf_conversion.convert_where_wanted` do.
    """
    published = manifest.as_published()
    known = {other.base_id for other in Catalog(store_dir).list()}
    fetch_files(published, store_dir, on_progress, cancelled)
    files = ModelFiles(store_dir.absolute())
    if published.base_id not in known:
        published = _completed(published, files)
        write_manifest(published, store_dir / "manifests")
    if published.engine == "torch":
        convert_where_wanted(files.folder(published), store_dir, on_progress, cancelled, to=to)
    return published


def _completed(m: Manifest, files: ModelFiles) -> Manifest:
    """With what the files say of themselves, now that they are here."""
    if m.engine == "torch":
        found = completed(implied_model(m.id, files.folder(m)), files)
        return replace(
            m, family=found.family, parameters=found.parameters, context_tokens=found.context_tokens, files=()
        )
    header = files.header(m)
    if header is None:
        return m
    return replace(
        m,
        parameters=header.size_label,
        licence=m.licence or header.licence,
        quantization=m.quantization or header.quantization,
        context_tokens=header.context_tokens,
    )
