"""Downloads a model's files from a Hugging Face hub, or a mirror of it (``HF_ENDPOINT``).

The repository is listed once, and all files are downloaded at that commit, to ``<store>/weights/.partial/<id>/``; when
all are verified, the folder is renamed to ``<store>/weights/<id>/``. PyTorch's own files and delta weights are imported
(converted) instead.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.errors import DamagedWeights, FetchFailed, InvalidImport, MissingExtra, ModelNotFetched
from app.system.disk import check_space, sync
from app.weights.checksums import Checksums
from app.weights.fetching.hub_client import hub_client
from app.weights.fetching.hub_listing import RepoFile, to_convert, wanted
from app.weights.formats.checkpoint import INDEX, WEIGHTS, read_checkpoint
from app.weights.formats.gguf import read_header
from app.weights.formats.gguf_purpose import other_purpose
from app.weights.formats.sha256sums import CHECKSUM_FILE, write_checksums
from app.weights.formats.shards import is_gguf
from app.weights.importing.importer import import_model
from app.weights.importing.xor import find_key
from app.weights.progress import Cancelled, OnProgress, Progress
from app.weights.sources import Download, HubSource


def fetch_from_hub(
    download: Download, source: HubSource, checksums: Checksums, on_progress: OnProgress, cancelled: Cancelled
) -> None:
    """Download a model's files and publish or import them. **Blocks**; the caller holds the model's lock.

    Raises :class:`FetchFailed`, :class:`~app.errors.FetchCancelled`, :class:`DamagedWeights`, ``OSError``, and what
    an import raises.
    """
    target, partial = download.target, download.partial
    base = _base(download, source, target.parent)
    with hub_client(cancelled) as hub:
        listing = hub.list(source.repo, source.revision)
        chosen = wanted(download, listing)
        paths = [file.path for file in chosen]
        imported = base is not None or to_convert(paths)
        if imported:
            _check_import(download, target, paths, base)
        _keep_only(partial, paths)
        _take_over(chosen, target, partial)
        _check_space(download, chosen, partial, imported)
        total = sum(file.size_bytes for file in chosen)
        digests = hub.fetch(listing, chosen, partial, lambda done: on_progress(Progress("downloading", done, total)))
    if imported:
        _import(download, base, target.parent.parent, partial, on_progress, cancelled)
        return
    _check(download, paths, partial)
    _publish(partial, target, digests)
    checksums.remember_all(target, digests)


def arrived_files_bytes(partial: Path) -> int:
    """Bytes downloaded so far to `partial`."""
    total = 0
    for parent, _, names in os.walk(partial):
        for name in names:
            with contextlib.suppress(OSError):  # renamed meanwhile
                total += os.lstat(f"{parent}/{name}").st_size
    return total


def _base(download: Download, source: HubSource, weights_dir: Path) -> Path | None:
    """The folder of the model that the repository's delta weights are for. Raises :class:`ModelNotFetched`."""
    if not source.base:
        return None
    folder = weights_dir / source.base
    if not folder.is_dir():
        raise ModelNotFetched(
            f"{download.title} is published as delta weights for {source.base}, which is missing. Put that model's "
            f"files into {folder}, or download it (parley models pull {source.base}), then try again.",
            model_id=download.model_id,
            reason="base",
            base=source.base,
        )
    return folder


def _check_import(download: Download, target: Path, paths: Sequence[str], base: Path | None) -> None:
    """Check the requirements of an import before downloading."""
    if any(path.endswith(".enc") for path in paths):
        find_key(base)
    if target.exists():
        raise FetchFailed(
            f"{download.title}: the folder {target} already exists, but can't be used. Move it away, then try again.",
            model_id=download.model_id,
        )
    if importlib.util.find_spec("torch") is None:
        raise MissingExtra(
            f"{download.title} is published as PyTorch files, and converting them needs PyTorch. Install it with "
            "`pip install 'parley-chat[torch]'`, then try again.",
            extra="torch",
        )


def _import(
    download: Download, base: Path | None, store_dir: Path, partial: Path, on_progress: OnProgress, cancelled: Cancelled
) -> None:
    try:
        import_model(partial, store_dir, download.target.name, on_progress, cancelled, base=base)
    except InvalidImport:
        if base is None:  # else the base may be the wrong one: keep the files
            shutil.rmtree(partial)
        raise


def _keep_only(partial: Path, paths: Sequence[str]) -> None:
    """Remove files of an earlier attempt that are no longer needed."""
    kept = {partial / path for path in paths}
    for path in sorted(partial.rglob("*"), reverse=True):  # contents before their folder
        if path.is_symlink() or (path.is_file() and path not in kept):
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _take_over(chosen: Sequence[RepoFile], target: Path, partial: Path) -> None:
    """Hard-link files of an existing, damaged model, so that only those with wrong checksums are downloaded."""
    for file in chosen:
        old, new = target / file.path, partial / file.path
        with contextlib.suppress(OSError):  # missing, or no hard links on this disk: download it
            if not new.exists() and not old.is_symlink() and old.stat().st_size == file.size_bytes:
                new.parent.mkdir(parents=True, exist_ok=True)
                os.link(old, new)


def _check_space(download: Download, chosen: Sequence[RepoFile], partial: Path, imported: bool) -> None:
    """Check the disk space for the rest of the download and the result of a conversion."""
    total = sum(file.size_bytes for file in chosen)
    check_space(
        partial, max(0, total - arrived_files_bytes(partial)) + (total if imported else 0), model_id=download.model_id
    )


def _check(download: Download, paths: Sequence[str], partial: Path) -> None:
    """Validate the downloaded files before publishing them. Raises :class:`DamagedWeights`."""
    try:
        if download.is_checkpoint:
            read_checkpoint(partial)
        for path in paths:
            if is_gguf(path):
                _require_chat_model(partial / path)
    except DamagedWeights as err:
        shutil.rmtree(partial)
        text = f"{download.title}: the repository has no usable model: {err.message} Nothing was kept."
        raise DamagedWeights(text, **{**err.details, "model_id": download.model_id}) from err


def _require_chat_model(path: Path) -> None:
    if purpose := other_purpose(read_header(path)):
        raise DamagedWeights(f"{path.name} is {purpose}, not a chat model.", file=path.name)


def _publish(partial: Path, target: Path, digests: Mapping[str, str]) -> None:
    """Rename the folder to its final name; if that exists, replace its files, the weights last."""
    write_checksums(partial, digests)
    if not target.exists():
        partial.rename(target)
        sync(target.parent)
        return
    first = sorted(digests, key=lambda path: (path in (INDEX, WEIGHTS), path))
    for path in first:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (partial / path).replace(target / path)
    try:
        write_checksums(target, digests)
    except DamagedWeights:  # the old list is damaged; the new one is complete
        (partial / CHECKSUM_FILE).replace(target / CHECKSUM_FILE)
    sync(target)
