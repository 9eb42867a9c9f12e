"""The process that reads a file: ``python -m app.chat.transfer.reading MAX_BYTES < FILE``, one JSON object a line out.

    {"conversation": {title, system_prompt, sampling, created_at, updated_at, leaf, left_out, changed, slices}}
    {"messages": [[parent, role, content, state, created_at, model, rating, reasoning]]}   as many as fit a slice, then:
    {"end": true}
    {"skipped": {reason, name, title}}
    {"refused": "why nothing can be read"}

A file is somebody else's: parsing it may take long, during which Python does nothing else, and much memory. Both are
limited by the kernel here, and nothing but this process ends.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any

from app.chat.transfer.reading.formats import read
from app.chat.transfer.reading.slices import slices
from app.chat.transfer.reading.tree import ReadConversation, ReadMessage
from app.errors import InvalidImport

_MEMORY_BYTES = 512 << 20  # address space, and twelve times the file: parsed JSON is several times as large
_MEMORY_TIMES = 12
_COMPUTING_S = 300  # CPU time


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
        }
    }
    for part in parts:
        yield {"messages": [_row(m) for m in part]}
    yield {"end": True}


def _row(m: ReadMessage) -> list[object]:
    return [m.parent, m.role, m.content, m.state, m.created_at.isoformat(), m.model, m.rating, m.reasoning]


def _limit_resources(max_bytes: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    for what, limit in (
        (resource.RLIMIT_AS, _MEMORY_BYTES + _MEMORY_TIMES * max_bytes),
        (resource.RLIMIT_CPU, _COMPUTING_S),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # not supported by the system, or already lower
            resource.setrlimit(what, (limit, limit))


def main() -> None:
    """Read standard input, and write what is in it."""
    max_bytes = int(sys.argv[1])
    _limit_resources(max_bytes)

    def say(line: dict[str, Any]) -> None:
        text = json.dumps(line, ensure_ascii=False, allow_nan=False)
        sys.stdout.buffer.write(text.encode("utf-8", "replace") + b"\n")
        sys.stdout.buffer.flush()

    try:
        for found in read(sys.stdin.buffer, max_bytes):
            if isinstance(found, ReadConversation):
                for line in lines(found):
                    say(line)
            else:
                say({"skipped": {"reason": found.reason, "name": found.name, "title": found.title}})
    except InvalidImport as err:
        say({"refused": err.message})
    except MemoryError:
        say({"refused": "This file needs too much memory. Import it in parts."})


if __name__ == "__main__":
    main()
