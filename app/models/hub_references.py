"""Resolve ``hub:OWNER/NAME[:FILE][@REVISION]`` to a manifest: any model on the Hugging Face Hub by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.errors import InvalidImport, ModelNotFound
from app.models.catalog import Catalog
from app.models.checkpoint_folders import completed
from app.models.manifest import Manifest
from app.models.model_files import ModelFiles
from app.weights.fetching.hub_client import hub_client
from app.weights.fetching.hub_listing import Listing, RepoFile, check_names, choose
from app.weights.formats.shards import is_gguf, model_stem, parse_shard
from app.weights.progress import Cancelled
from app.weights.sources import HubSource, ModelFile, safe_relative

PREFIX = "hub:"
MAX_REFERENCE_CHARS = 480

_WORD = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_REFERENCE = re.compile(
    rf"hub:(?P<repo>{_WORD}/{_WORD})(?::(?P<file>[^:@\s]{{1,200}}\.gguf))?(?:@(?P<revision>[A-Za-z0-9][A-Za-z0-9._/-]{{0,127}}))?"
)
_NUMBER_FORMAT = re.compile(r"[._-](?P<type>(?:I?Q\d\w*|B?F16|F32))(?:-\d{5}-of-\d{5})?\.gguf$", re.IGNORECASE)
_ID_CHARS = 56
_RECOMMENDED = "q4_k_m"
_MAX_CHOICES = 64  # files listed in the error when there are several to choose from


@dataclass(frozen=True, slots=True)
class HubReference:
    """The parts of a Hub reference; "" for an omitted one."""

    repo: str
    file: str = ""
    revision: str = ""


def is_hub_reference(text: str) -> bool:
    """Whether `text` is meant as a Hub reference."""
    return text.startswith(PREFIX)


def parse_hub_reference(text: str) -> HubReference:
    """Parse a Hub reference. Raises :class:`ModelNotFound` for an invalid one."""
    match = _REFERENCE.fullmatch(text) if len(text) <= MAX_REFERENCE_CHARS else None
    if match is None or not safe_relative(match["file"] or "x"):
        raise ModelNotFound(
            f"{text[:80]!r} is not a model on Hugging Face. Write hub:OWNER/NAME, optionally followed by :FILE.gguf "
            "and @REVISION.",
            model_id=text[:80],
            reason="reference",
        )
    return HubReference(match["repo"], match["file"] or "", match["revision"] or "")


def resolve(
    text: str,
    store_dir: Path,
    cancelled: Cancelled,
    *,
    others: Iterable[Manifest] = (),
    pauses_s: Sequence[float] | None = None,
) -> Manifest:
    """The manifest of the model that `text` names: a known one from the store or `others`, else made from the listing.

    Blocks during the request to the Hub; transient failures are retried after each of `pauses_s` (default: the
    client's pauses). Nothing is downloaded or written. Raises :class:`ModelNotFound` for an invalid reference,
    :class:`InvalidImport` for a repository without a usable model (``details``: ``reason``; ``files`` with ``path`` and
    ``size_bytes`` if there are several to choose from), :class:`~app.errors.FetchFailed`,
    :class:`~app.errors.FetchCancelled`.
    """
    wanted = parse_hub_reference(text)
    with hub_client(cancelled) as hub:
        listing = hub.list(wanted.repo, wanted.revision or "main", pauses_s)
    manifest = describe(listing, wanted.file)
    known = [other.as_published() for other in (*Catalog(store_dir).list(), *others)]
    same = next((other for other in known if _is_same(other, manifest, exact=bool(wanted.revision))), None)
    if same is not None:
        return same
    manifest = replace(manifest, id=_unused_id(manifest.id, {other.base_id for other in known}))
    return completed(manifest, ModelFiles(store_dir.absolute())) if manifest.engine == "torch" else manifest


def describe(listing: Listing, file: str = "") -> Manifest:
    """The manifest of a repository, or of the GGUF `file` in it. Raises :class:`InvalidImport`."""
    check_names([found.path for found in listing.files])
    ggufs = [found for found in listing.files if is_gguf(found.path) and safe_relative(found.path)]
    name = listing.repo.rpartition("/")[2]
    is_checkpoint = not file and not _has_only_gguf(listing)
    if is_checkpoint:
        choose([found.path for found in listing.files])
        chosen: tuple[RepoFile, ...] = ()
    else:
        chosen = _parts(ggufs, file) if file else _only_model(ggufs, listing)
        name = model_stem(chosen[0].path.rpartition("/")[2])
    number = _NUMBER_FORMAT.search(chosen[0].path) if chosen else None
    return Manifest(
        id=re.sub(r"[^a-z0-9._-]+", "-", name.lower()).lstrip("._-")[:_ID_CHARS] or "model",
        title=name,
        family="" if is_checkpoint else "native",
        engine="torch" if is_checkpoint else "llama_cpp",
        licence=listing.licence,
        description=f"Downloaded by name: {listing.repo} on Hugging Face.",
        translations={"zh": f"按名称从模型社区（Hugging Face）的 {listing.repo} 下载。"},
        quantization=number["type"].upper() if number else "",
        source=HubSource(listing.repo, listing.commit),
        files=tuple(ModelFile(found.path, found.sha256 or None, found.size_bytes or None) for found in chosen),
    )


def _has_only_gguf(listing: Listing) -> bool:
    names = {found.path for found in listing.files}
    return any(is_gguf(name) for name in names) and not any(
        name.endswith((".safetensors", ".bin", ".pth", ".enc")) for name in names if "/" not in name
    )


def _only_model(ggufs: list[RepoFile], listing: Listing) -> tuple[RepoFile, ...]:
    """All parts of the only model in the repository."""
    models = [found for found in ggufs if (shard := parse_shard(found.path)) is None or shard.number == 1]
    models = [found for found in models if "mmproj" not in found.path.lower()]  # vision projectors, not chat models
    if len(models) == 1:
        return _parts(ggufs, models[0].path)
    if not models:
        text = f"{listing.repo} has no GGUF file that can be downloaded. Choose another repository."
        raise InvalidImport(text, reason="no_weights", repo=listing.repo)
    sizes = {found.path: sum(part.size_bytes for part in _parts(ggufs, found.path)) for found in models[:_MAX_CHOICES]}
    shown = [f"{path} ({size / 1e9:.1f} GB)" for path, size in sizes.items()]
    recommended = next((found.path for found in models if _RECOMMENDED in found.path.lower()), models[0].path)
    raise InvalidImport(
        f"{listing.repo} has {len(models)} models: {', '.join(shown[:24])}. Q4_K_M is a good choice for most: "
        f"parley models pull {PREFIX}{listing.repo}:{recommended}",
        reason="several",
        repo=listing.repo,
        files=[{"path": path, "size_bytes": size} for path, size in sizes.items()],
    )


def _parts(ggufs: list[RepoFile], file: str) -> tuple[RepoFile, ...]:
    by_name = {found.path: found for found in ggufs}
    shard = parse_shard(file)
    names = shard.all_names() if shard is not None and 0 < shard.count <= len(ggufs) else [file]
    missing = [name for name in names if name not in by_name]
    if missing:
        there = ", ".join(sorted(by_name)[:12]) or "no GGUF files"
        raise InvalidImport(
            f"The repository has no file {missing[0]}. It has: {there}.", reason="no_file", file=missing[0]
        )
    return tuple(by_name[name] for name in names)


def _is_same(known: Manifest, new: Manifest, *, exact: bool) -> bool:
    """Whether both are the same files of the same repository; `exact`: of the same commit too."""
    if not isinstance(known.source, HubSource) or not isinstance(new.source, HubSource) or known.engine != new.engine:
        return False
    files = new.engine == "torch" or [file.path for file in known.files] == [file.path for file in new.files]
    commits = not exact or known.source.revision == new.source.revision
    return known.source.repo.lower() == new.source.repo.lower() and files and commits


def _unused_id(model_id: str, taken: set[str]) -> str:
    candidates = [model_id, *(f"{model_id}-{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in candidates if name not in taken)
