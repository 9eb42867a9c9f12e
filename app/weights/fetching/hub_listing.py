"""The files of a hub's repository, and the selection of those to download."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.errors import DamagedWeights, FetchFailed, InvalidImport
from app.weights.formats.checkpoint import INDEX, TEXT_SUFFIXES, WEIGHTS
from app.weights.formats.shards import is_gguf, parse_shard
from app.weights.sources import Download, safe_relative

MAX_FILES = 20_000  # of a repository

_OLD_WEIGHTS, _OLD_INDEX, _META_PARAMS = "pytorch_model.bin", "pytorch_model.bin.index.json", "params.json"
_SHARD_STEMS = ("model", "pytorch_model")
_META = re.compile(r"consolidated\.\d\d\.pth")
_HOSTILE = re.compile(r"[\x00-\x1f\x7f\\]|^/|(^|/)\.\.?(/|$)|//")
# Training state, and indexes of weights that are not downloaded.
_LEFT = frozenset(
    {"trainer_state.json", "all_results.json", "train_results.json", "eval_results.json", _OLD_INDEX, INDEX}
    | {"tf_model.h5.index.json", "flax_model.msgpack.index.json", "requirements.txt", "adapter_config.json"}
    | {"consolidated.safetensors.index.json"}
)


@dataclass(frozen=True, slots=True)
class RepoFile:
    """One file of a repository. LFS files have a SHA-256, others a git blob id; "" where the hub reports none."""

    path: str
    size_bytes: int
    sha256: str = ""
    blob: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A repository at one commit."""

    repo: str
    commit: str
    files: tuple[RepoFile, ...]
    licence: str = ""

    def file(self, path: str) -> RepoFile | None:
        """The file with that path; ``None`` if there is none."""
        return next((file for file in self.files if file.path == path), None)


def check_names(names: Sequence[str]) -> None:
    """Raise :class:`InvalidImport` for names that lead out of their folder."""
    for name in names:
        if _HOSTILE.search(name):
            raise InvalidImport(
                f"The repository has a file {name[:80]!r} that points outside its folder. Nothing was downloaded. Do "
                "not trust this repository.",
                reason="hostile",
            )


def choose(names: Sequence[str]) -> tuple[str, ...]:
    """Select the files of a checkpoint needed for loading or conversion: one set of weights, its index, all text files.

    Prefers safetensors, then PyTorch's own files, then Meta's; never a mix. Skips code, training state, subfolders and
    other frameworks' weights. Raises :class:`InvalidImport` where there are no weights.
    """
    top = sorted(name for name in names if "/" not in name and safe_relative(name))
    texts = [name for name in top if name.endswith(TEXT_SUFFIXES) and name not in _LEFT]
    encrypted = [name for name in top if name.endswith(".enc")]
    weights = encrypted or _safetensors(top) or _pickles(top) or _meta(top)
    if not weights:
        what = "an adapter" if "adapter_config.json" in names else "no weights that Parley can use"
        todo = (
            "Download it with `hf download`, then run: parley models import FOLDER"
            if what == "an adapter"
            else "Choose another."
        )
        reason = "adapter" if what == "an adapter" else "no_weights"
        raise InvalidImport(f"The repository has {what}. {todo}", reason=reason)
    return tuple(sorted({*texts, *weights}))


def to_convert(names: Sequence[str]) -> bool:
    """Whether files with these names must be converted before use."""
    return any(name.endswith((".bin", ".pth", ".enc")) for name in names) or not (
        WEIGHTS in names or INDEX in names or any(is_gguf(name) for name in names)
    )


def wanted(download: Download, listing: Listing) -> tuple[RepoFile, ...]:
    """The files to download, with their expected checksums: the manifest's where given, else the hub's.

    Raises :class:`FetchFailed` for a missing file, :class:`DamagedWeights` for one that differs from the manifest,
    :class:`InvalidImport` where there are no weights.
    """
    check_names([file.path for file in listing.files])
    named = {file.path: file for file in download.files}
    paths = tuple(named)
    if download.is_checkpoint:  # the manifest only adds checksums for these
        summed = [file.path for file in download.files if file.sha256]
        paths = tuple(dict.fromkeys([*choose([file.path for file in listing.files]), *summed]))
    found = []
    for path in paths:
        file = listing.file(path)
        if file is None:
            text = f"{listing.repo} has no file {path}. Fix the name or the revision. It has: {_some(listing)}."
            raise FetchFailed(text, model_id=download.model_id, file=path)
        promised = named.get(path)
        if promised is not None:
            file = _as_promised(download, listing, file, promised.sha256, promised.size_bytes)
        found.append(file)
    return tuple(found)


def _as_promised(
    download: Download, listing: Listing, file: RepoFile, sha256: str | None, size: int | None
) -> RepoFile:
    other_size = size is not None and size != file.size_bytes
    if other_size or (sha256 and file.sha256 and sha256 != file.sha256):
        raise DamagedWeights(
            f"{download.title}: {file.path} in {listing.repo} does not match the manifest (its size or "
            "SHA-256 differs). Nothing was downloaded. The repository has changed, or the manifest is wrong.",
            model_id=download.model_id,
            file=file.path,
        )
    return replace(file, sha256=sha256 or file.sha256)


def _safetensors(top: list[str]) -> list[str]:
    if WEIGHTS in top:
        return [WEIGHTS]
    found = [name for name in top if name.endswith(".safetensors") and not name.startswith("adapter_")]
    if INDEX not in top:
        return found if len(found) == 1 else []
    shards = _shards(found, ".safetensors")
    return [INDEX, *(shards or [name for name in found if not name.startswith("consolidated")])]


def _pickles(top: list[str]) -> list[str]:
    if _OLD_INDEX in top:
        shards = _shards(top, ".bin")
        return [_OLD_INDEX, *shards] if shards else []
    if _OLD_WEIGHTS in top:
        return [_OLD_WEIGHTS]
    return []


def _shards(names: list[str], suffix: str) -> list[str]:
    """The shards among `names`, by transformers' naming."""
    found = ((name, parse_shard(name)) for name in names)
    return [name for name, shard in found if shard and shard.stem in _SHARD_STEMS and shard.suffix == suffix]


def _meta(top: list[str]) -> list[str]:
    shards = [name for name in top if _META.fullmatch(name)]
    return [_META_PARAMS, *shards] if shards and _META_PARAMS in top else []


def _some(listing: Listing) -> str:
    names = [file.path for file in listing.files if file.path.endswith((".gguf", ".safetensors", ".bin"))]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "") or "no weights"
