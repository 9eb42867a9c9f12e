"""Writes an export to a JSONL file with a manifest, atomically. They contain chats: only their owner can read them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from app import __version__
from app.domain.feedback import ConversationFeedback
from app.domain.splits import split_of
from app.domain.training_rows import Drops
from app.errors import StoreError
from app.export.base import Format, time
from app.system.disk import replacing
from app.system.private_files import FILE_MODE


@dataclass(frozen=True, slots=True)
class Filters:
    """Which conversations are exported; recorded in the manifest."""

    conversation_ids: tuple[str, ...] = ()  # empty: all
    since: datetime | None = None  # only those with a judgement at this time or later
    split: str | None = None  # "train" or "test"
    test_share: float = 0.1

    def apply(self, conversations: Iterable[ConversationFeedback]) -> Iterator[ConversationFeedback]:
        """The conversations that match."""
        for conversation in conversations:
            given, newest_at = conversation.conversation.id, conversation.newest_at
            if self.since is not None and (newest_at is None or newest_at < self.since):
                continue
            if self.conversation_ids and given not in self.conversation_ids:
                continue
            if self.split is None or split_of(given, self.test_share) == self.split:
                yield conversation

    def as_dict(self) -> dict[str, Any]:
        """The filters that are set, for the manifest."""
        return {
            **({"conversation_ids": list(self.conversation_ids)} if self.conversation_ids else {}),
            **({"since": time(self.since)} if self.since else {}),
            **({"split": self.split, "test_share": self.test_share} if self.split else {}),
        }


@dataclass(slots=True)
class _Counted:
    """Counts what is exported."""

    conversations: int = 0
    rated_messages: int = 0
    rows: int = 0
    drops: Drops = field(default_factory=Drops)

    def count(self, conversations: Iterable[ConversationFeedback]) -> Iterator[ConversationFeedback]:
        for conversation in conversations:
            self.conversations += 1
            self.rated_messages += len({r.message_id for r in conversation.ratings})
            yield conversation


def manifest_path(path: Path) -> Path:
    """The manifest's path next to the data: ``thumbs.jsonl.manifest.json`` for ``thumbs.jsonl``."""
    return path.with_name(path.name + ".manifest.json")


def write_file(
    path: Path, made: Format, conversations: Iterable[ConversationFeedback], filters: Filters
) -> dict[str, Any]:
    """Write `path` and its manifest, which is returned. An older file stays until the new one is complete.

    Raises :class:`StoreError` when a file can't be written.
    """
    try:
        with replacing(path, mode=FILE_MODE) as file:
            manifest = write_rows(file, made, conversations, filters)
        manifest["file"] = path.name
        with replacing(manifest_path(path), mode=FILE_MODE) as file:
            file.write(json.dumps(manifest, ensure_ascii=False, indent=2).encode() + b"\n")
    except OSError as error:
        raise StoreError(f"{path} can't be written: {error.strerror}. An existing file is unchanged.") from error
    return manifest


def write_rows(
    file: IO[bytes], made: Format, conversations: Iterable[ConversationFeedback], filters: Filters
) -> dict[str, Any]:
    """Write the rows as UTF-8 JSON lines; returns the manifest, with filters, counts and the SHA-256."""
    counted, digest, size = _Counted(), hashlib.sha256(), 0
    for row in made.rows(counted.count(filters.apply(conversations)), counted.drops):
        line = json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        file.write(line)
        digest.update(line)
        size += len(line)
        counted.rows += 1
    return {
        "format": made.name,
        "parley_version": __version__,
        "created_at": time(datetime.now(UTC)),
        "filters": filters.as_dict(),
        "conversations": counted.conversations,
        "rated_messages": counted.rated_messages,
        "rows": counted.rows,
        "dropped": {str(reason): n for reason, n in sorted(counted.drops.items())},
        "sha256": digest.hexdigest(),
        "size_bytes": size,
    }
