"""Fetch a model: download its files, write its manifest, and convert it to GGUF if that is faster on this machine."""

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
    """Fetch the missing files of a model and convert it; returns its manifest. Blocks.

    A manifest that is not in the store, because it was made from a Hub listing, is completed from the downloaded files
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
    """The manifest, completed from the downloaded files."""
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
