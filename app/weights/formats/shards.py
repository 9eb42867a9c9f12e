"""File names of sharded models: ``<stem>-00001-of-00003.gguf``."""

from __future__ import annotations

import re
from dataclasses import dataclass

GGUF_SUFFIX = ".gguf"
MAX_SHARDS = 512  # of one model

_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<suffix>\.[a-z]+)?")


@dataclass(frozen=True, slots=True)
class ShardName:
    """The parsed name of one shard."""

    stem: str
    number: int  # from 1
    count: int
    suffix: str  # ".gguf"; "" where the name has none

    @property
    def is_first(self) -> bool:
        """Whether it is the first shard; ``False`` also for an invalid count."""
        return self.number == 1 and 1 <= self.count <= MAX_SHARDS

    def all_names(self) -> list[str]:
        """The names of all shards, in order; for a name that :attr:`is_first`."""
        return shard_names(self.stem, self.count, self.suffix)


def parse_shard(name: str) -> ShardName | None:
    """Parse a shard's name; ``None`` for another name."""
    match = _SHARD.fullmatch(name)
    if match is None:
        return None
    return ShardName(match["stem"], int(match["number"]), int(match["count"]), match["suffix"] or "")


def shard_names(stem: str, count: int, suffix: str) -> list[str]:
    """The file names of a model in `count` shards."""
    return [f"{stem}-{number:05d}-of-{count:05d}{suffix}" for number in range(1, count + 1)]


def is_gguf(name: str) -> bool:
    """Whether a file name is that of a GGUF file, also where it was written in capitals."""
    return name.lower().endswith(GGUF_SUFFIX)


def model_stem(name: str) -> str:
    """The model's name from a GGUF file name: without the suffix and the shard number."""
    shard = parse_shard(name)
    if shard is not None:
        return shard.stem
    return name[: -len(GGUF_SUFFIX)] if is_gguf(name) else name
