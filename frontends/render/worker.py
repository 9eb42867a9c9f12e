"""The process that renders: ``python -m frontends.render.worker``, one JSON object per line in and out.

    {"text": …, "highlight": true}                                → {"html": …}
    {"reply": key, "text": …, "final": false, "highlight": true}  → {"blocks": [[index, html, closed]], "seconds": …}
    {"forget": key}                                               → {}
    any of them                                                   → {"error": "why it can't be rendered"}

Texts come from models and so from anybody: a regular expression can take minutes for one of them, during which Python
runs nothing else. Therefore this process may be killed at any time. It does so itself when a request takes too much
CPU time: the kernel's signal needs no Python to run.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

from frontends.render.markdown import MarkdownRenderer
from frontends.render.stream import StreamRenderer

LIMIT_S = 2.0  # of CPU time, per request
MEMORY_BYTES = 1 << 30  # of address space
HTML_PER_CHARACTER = 60  # MathML and short code need about 20
HTML_AT_LEAST = 20_000


class Worker:
    """Answers requests. Keeps the running replies between them."""

    def __init__(self) -> None:
        self._renderers = {highlight: MarkdownRenderer(highlight=highlight) for highlight in (True, False)}
        self._replies: dict[str, StreamRenderer] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """One answer. An exception that no text should cause ends the process, as running out of time does."""
        try:
            if "forget" in request:
                self._replies.pop(request["forget"], None)
                return {}
            return self._update(request) if "reply" in request else self._whole(request)
        except (RecursionError, MemoryError, ValueError) as err:
            self._replies.pop(request.get("reply", ""), None)
            return {"error": type(err).__name__}

    def _whole(self, request: dict[str, Any]) -> dict[str, Any]:
        text = request["text"]
        return {"html": _bounded(self._renderers[request["highlight"]].render(text), text)}

    def _update(self, request: dict[str, Any]) -> dict[str, Any]:
        started = time.process_time()
        key = request["reply"]
        if key not in self._replies:
            self._replies[key] = StreamRenderer(self._renderers[request["highlight"]])
        stream = self._replies[key]
        stream.append(request["text"])
        before = stream.tail_length - stream.again_length
        changed = stream.update(final=request["final"])
        rendered = before + stream.again_length  # characters
        if sum(len(block.html) for block in changed) > max(HTML_AT_LEAST, HTML_PER_CHARACTER * rendered):
            raise ValueError("too much HTML")
        blocks = [[block.index, block.html, block.closed] for block in changed]
        return {"blocks": blocks, "seconds": time.process_time() - started}


def _bounded(html: str, text: str) -> str:
    if len(html) > max(HTML_AT_LEAST, HTML_PER_CHARACTER * len(text)):
        raise ValueError("too much HTML")
    return html


def main() -> None:
    """Answer requests until the input ends."""
    _limit_resources()
    worker = Worker()
    for line in sys.stdin.buffer:
        with _cpu_limit():
            answer = worker.answer(json.loads(line))
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


def _limit_resources() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows; a lower limit is set already
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.nice(5)  # the server goes first


@contextlib.contextmanager
def _cpu_limit() -> Iterator[None]:
    """The kernel ends this process after `LIMIT_S` of CPU time in the context."""
    if not hasattr(signal, "setitimer"):  # Windows: the parent's limit remains
        yield
        return
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)


if __name__ == "__main__":
    main()
