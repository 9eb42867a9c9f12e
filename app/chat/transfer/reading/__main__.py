"""The process that reads a file: ``python -m app.chat.transfer.reading MAX_BYTES < FILE``, one JSON object a line out.

    {"conversation": {title, system_prompt, sampling, created_at, updated_at, leaf, left_out, changed, slices,
                      digest, is_row, file, allow_training, rankings}}
    {"messages": [[parent, role, content, state, created_at, model, ratings, reasoning, corrects]]}
                                                                                  as many as fit a slice, then:
    {"end": true}
    {"skipped": {reason, name, title}}
    {"read": 0.25}                             how much of the file has been read, from 0 to 1
    {"refused": "why nothing can be read"}

A file is somebody else's: parsing it may take long, during which Python does nothing else, and much memory. Both are
limited by the kernel here, and nothing but this process ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from app.chat.transfer.reading.formats import read
from app.chat.transfer.reading.judgements import ReadRanking
from app.chat.transfer.reading.records import MAX_RECORD_CHARS
from app.chat.transfer.reading.slices import slices
from app.chat.transfer.reading.tree import ReadConversation, ReadMessage
from app.errors import InvalidImport

_MEMORY_BYTES = 512 << 20  # address space, and twelve times a record: parsed JSON is several times as large
_MEMORY_TIMES = 12
_COMPUTING_S = 300  # CPU time, and
_COMPUTING_S_PER_MIB = 1
_TOLD_BYTES = 1 << 20  # of the file, between two lines of progress


def lines(found: ReadConversation) -> Iterator[dict[str, Any]]:
    """A conversation as lines of the output."""
    parts = list(slices(found.messages))
    yield {
        "conversation": {
            "title": found.title,
            "system_prompt": found.system_prompt,
            "sampling": dict(found.sampling),
            "created_at": found.created_at.isoformat(),
            "updated_at": max(m.created_at for m in found.messages).isoformat(),
            "leaf": found.leaf,
            "left_out": found.left_out,
            "changed": found.changed,
            "slices": len(parts),
            "digest": found.digest,
            "is_row": found.is_row,
            "file": found.file,
            "allow_training": found.allow_training,
            "rankings": [_ranking(one) for one in found.rankings],
        }
    }
    for part in parts:
        yield {"messages": [_row(m) for m in part]}
    yield {"end": True}


def _row(m: ReadMessage) -> list[object]:
    said = (m.role, m.content, m.state, m.created_at.isoformat(), m.model)
    return [m.parent, *said, list(m.ratings), m.reasoning, m.corrects]


def _ranking(one: ReadRanking) -> dict[str, object]:
    return {
        "items": one.items,
        "both_bad": one.both_bad,
        "blind": one.blind,
        "source": one.source,
        "created_at": one.created_at.isoformat() if one.created_at else None,
        "rater": one.rater,
    }


def _limit_resources(max_bytes: int, file_bytes: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    for what, limit in (
        (resource.RLIMIT_AS, _MEMORY_BYTES + _MEMORY_TIMES * min(max_bytes, MAX_RECORD_CHARS)),
        (resource.RLIMIT_CPU, _COMPUTING_S + _COMPUTING_S_PER_MIB * (file_bytes >> 20)),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # not supported by the system, or already lower
            resource.setrlimit(what, (limit, limit))


def main() -> None:
    """Read standard input, and write what is in it."""
    max_bytes = int(sys.argv[1])
    file = sys.stdin.buffer
    size = os.fstat(file.fileno()).st_size
    _limit_resources(max_bytes, size)

    def say(line: dict[str, Any]) -> None:
        text = json.dumps(line, ensure_ascii=False, allow_nan=False)
        sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
        sys.stdout.buffer.flush()

    told = 0
    try:
        for found in read(file, max_bytes):
            if isinstance(found, ReadConversation):
                for line in lines(found):
                    say(line)
            else:
                say({"skipped": {"reason": found.reason, "name": found.name, "title": found.title}})
            if (at := file.tell()) >= told + _TOLD_BYTES:
                say({"read": min(1.0, at / size)})
                told = at
    except InvalidImport as err:
        say({"refused": err.message})
    except MemoryError:
        say({"refused": "This file needs too much memory. Import it in parts."})


if __name__ == "__main__":
    main()
