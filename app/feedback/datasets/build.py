"""Builds a dataset: one pass over the log for all formats, then the splits, then the files.

The same log and the same spec give the same files, byte by byte: nothing in them depends on the time of the build.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import __version__
from app.domain.feedback import ConversationFeedback
from app.domain.messages import Role
from app.domain.splits import SIMILARITY, Split, split_of
from app.domain.training_rows import TrainingRows
from app.export.base import Options, Source, encoded
from app.feedback.datasets.card import card
from app.feedback.datasets.sources import judgement_ids, sources
from app.feedback.datasets.spec import DatasetSpec
from app.feedback.datasets.spool import Hashed, Spool, WrittenFile, create
from app.feedback.datasets.tally import Tally
from app.system.disk import sync, sync_file

SCHEMA_VERSION = 1
MANIFEST, CARD, DATASET_INFO = "manifest.json", "README.md", "dataset_info.json"
USED_JUDGEMENTS = ".judgements"  # lines "judgement conversation", to be stored and then deleted
_METHOD = f"by conversation and near-duplicate prompt (MinHash of character 5-grams, similarity {SIMILARITY})"

OnProgress = Callable[[str, int, int | None], None]  # phase ("reading", "splitting", "writing"), done, total
Check = Callable[[], None]  # raises to stop the build


@dataclass(frozen=True, slots=True)
class _Splits:
    """The split of each conversation, by its number."""

    of: Sequence[Split]
    groups: int
    largest_group: int


def build(
    conversations: Iterable[ConversationFeedback],
    total: int | None,
    spec: DatasetSpec,
    folder: Path,
    on_progress: OnProgress,
    check: Check,
) -> dict[str, Any]:
    """Write the files of a dataset to the empty `folder`; returns the manifest.

    `conversations`: oldest first, `total` of them. `check` is called often and may raise to stop; the caller then
    removes the folder. Raises :class:`~app.errors.InvalidRequest` for a spec that is wrong, and :class:`OSError`.
    """
    spec.check()
    tally = Tally()
    with ExitStack() as stack:
        spools = [stack.enter_context(Spool(made, folder)) for made in spec.chosen()]
        splitter = _Splitter()
        used = 0
        with create(folder / USED_JUDGEMENTS) as judgements:
            for source in sources(conversations, spec, tally):
                check()
                on_progress("reading", tally.read, total)
                number = splitter.add(source)
                _spool(source, number, spools, Options(spec.reasoning), tally)
                ids = sorted(judgement_ids(source.rows))
                used += len(ids)
                judgements.writelines(f"{key} {source.feedback.conversation.id}\n".encode() for key in ids)
        on_progress("splitting", 0, None)
        splits = splitter.splits(spec, check)
        files = _write(spools, splits.of, on_progress, check)
    manifest = _manifest(spec, tally, splits, used, files)
    extra = [_put(folder, CARD, card(manifest, {file.format: file.example for file in reversed(files)}).encode())]
    if info := _dataset_info(spec, files):
        extra.append(_put(folder, DATASET_INFO, _json(info)))
    manifest["files"] += extra
    _put(folder, MANIFEST, _json(manifest))
    sync(folder)
    return manifest


def _spool(source: Source, number: int, spools: Sequence[Spool], options: Options, tally: Tally) -> None:
    for spool in spools:
        for row in spool.format.rows(source, options):
            if row is None:
                tally.unrepresentable[spool.format.name] += 1
            else:
                spool.add(number, encoded(row, spool.format.layout))
                tally.written[spool.format.name] += 1


class _Splitter:
    """Numbers the conversations and splits them, those with near-duplicate prompts together."""

    def __init__(self) -> None:
        from app.feedback.datasets.near_duplicates import NearDuplicates  # NumPy: not when the server starts

        self._ids: list[str] = []
        self._near = NearDuplicates()

    def add(self, source: Source) -> int:
        """The number of the next conversation."""
        number = len(self._ids)
        self._ids.append(source.feedback.conversation.id)
        self._near.add(number, asked(source.rows))
        return number

    def splits(self, spec: DatasetSpec, check: Check) -> _Splits:
        """The split of each conversation: that of the oldest one it belongs with."""
        roots = self._near.clusters(check)
        sizes = Counter(roots)
        of = {root: split_of(self._ids[root], spec.shares) for root in sizes}
        return _Splits([of[root] for root in roots], len(sizes), max(sizes.values(), default=0))


def asked(rows: TrainingRows) -> list[str]:
    """What people asked in the prompts of the rows: all questions up to each reply, without replies or system text.

    Those would make prompts similar that ask for different things, or different that ask for the same.
    """
    prompts = {reply.prompt for reply, _ in rows.judged()}
    return sorted({"\n".join(turn.content for turn in prompt if turn.role is Role.USER) for prompt in prompts})


def _write(
    spools: Sequence[Spool], splits: Sequence[Split], on_progress: OnProgress, check: Check
) -> list[WrittenFile]:
    files: list[WrittenFile] = []
    for at, spool in enumerate(spools):
        on_progress("writing", at, len(spools))
        for written in spool.distribute(splits):
            check()
            files.append(written)
    on_progress("writing", len(spools), len(spools))
    return files


def _manifest(
    spec: DatasetSpec, tally: Tally, splits: _Splits, used: int, files: Sequence[WrittenFile]
) -> dict[str, Any]:
    by_split = Counter(splits.of)
    return {
        "schema_version": SCHEMA_VERSION,
        "parley_version": __version__,
        **spec.as_dict(),
        **tally.as_dict(),
        "judgements": used,
        "splits": {
            "method": _METHOD,
            "conversations": {split.value: by_split[split] for split in Split},
            "groups": splits.groups,
            "largest_group": splits.largest_group,
        },
        "files": [
            {
                "name": file.name,
                "format": file.format,
                "split": file.split.value,
                "rows": file.rows,
                "size_bytes": file.size_bytes,
                "sha256": file.sha256,
            }
            for file in files
        ],
    }


def _dataset_info(spec: DatasetSpec, files: Iterable[WrittenFile]) -> Mapping[str, Any]:
    """The content of LLaMA-Factory's ``dataset_info.json``, for the formats that have an entry there."""
    entries = {made.name: made.dataset_info for made in spec.chosen() if made.dataset_info}
    return {
        f"{spec.name}_{file.format}_{file.split}": {"file_name": file.name, **entries[file.format]}
        for file in files
        if file.format in entries
    }


def _put(folder: Path, name: str, content: bytes) -> dict[str, Any]:
    with create(folder / name) as file:
        hashed = Hashed(file)
        hashed.write(content)
        sync_file(file)
    return {"name": name, "size_bytes": hashed.size_bytes, "sha256": hashed.sha256}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n"
