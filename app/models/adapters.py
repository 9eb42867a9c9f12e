"""Find the adapters in the store that name a given model as their base.

<store>/adapters/<name>/    see :mod:`app.weights.formats.adapter_folder`
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from app.errors import DamagedWeights
from app.models.manifest import Adapter, Manifest
from app.weights.formats.adapter_folder import describe_adapter
from app.weights.formats.gguf import GGUFHeader
from app.weights.formats.shards import model_stem
from app.weights.sources import FolderSource, HubSource

# The part of a file or repository name that only describes the format: "Qwen2.5-0.5B-Instruct-Q4_K_M", "…-GGUF".
_FORMAT_SUFFIX = re.compile(r"[-._](?:i?q[2-8](?:_[a-z0-9]+)*|t?q[12]_0|bf16|fp?16|fp?32|gguf)", re.IGNORECASE)


def found_adapters(adapters_dir: Path, names: Iterable[str], taken: Sequence[str]) -> tuple[Adapter, ...]:
    """The adapters in `adapters_dir` whose base model has one of these `names`, without adapter names in `taken`."""
    wanted = {_normalized(name) for name in names} - {""}
    found: list[Adapter] = []
    for folder in sorted(adapters_dir.glob("*/")):
        name = re.sub(r"[^a-z0-9._-]+", "-", folder.name.lower()).lstrip("._-")[:64]
        if not name or name in taken or folder.name.startswith(".") or any(name == other.name for other in found):
            continue
        try:
            adapter = describe_adapter(folder)
        except DamagedWeights:
            continue
        if wanted & {_normalized(base) for base in adapter.bases}:
            found.append(Adapter(name, str(folder.absolute()), folder.name))
    return tuple(found)


def names_of(manifest: Manifest, folder: Path, header: GGUFHeader | None) -> list[str]:
    """All names by which an adapter may refer to this model as its base.

    The header of a GGUF file names the model that it was made from; the file name is that of the model and its format.
    """
    names = [manifest.base_id, *([] if manifest.source == FolderSource("weights") else [folder.name])]
    if isinstance(manifest.source, HubSource):
        names.append(manifest.source.repo.rpartition("/")[2])
    if header is not None and manifest.weights_file is not None:
        names += [model_stem(manifest.weights_file.path.rpartition("/")[2]), header.name, header.basename]
    return names


def _normalized(name: str) -> str:
    """A name without its format suffix, in lower case, with one hyphen between its words."""
    text = name
    while (match := _FORMAT_SUFFIX.search(text)) is not None and match.end() == len(text):
        text = text[: match.start()]
    return re.sub(r"[^\w.]+|_", "-", text.lower()).strip("-")
