"""Runs Parley's API with the scripted engine, whose replies consist of the times at which each word was due.

    python -m benchmarks.scripted_server HOME PORT WORDS DELAY_MS [UI]

Its only model is called `clock`. A word is a time on the machine's monotonic clock, which all processes share, so that
a client can compute its delay.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from app.api.deps import Services
from app.cli.uvicorn_server import Server, address, bind, exempt_start_from_gc
from app.config import Settings
from app.domain.generation import GenerationRequest
from app.engine.base import EngineFactory, LoadPlan
from app.engine.scripted import Reply, Script, ScriptedEngine
from app.main import create_app, mount_frontend
from benchmarks.event_loop_block import LoopBlock

SLOTS = 512
LOOP_BLOCK = "loop_block.json"  # in HOME: see :mod:`benchmarks.event_loop_block`
WORDS_PER_PARAGRAPH = 40
MANIFEST = 'id = "clock"\ntitle = "Clock"\nfamily = "native"\nengine = "scripted"\nlanguages = ["en"]\n'


def clock(n_words: int, delay_ms: float) -> Script:
    """A script for replies of `n_words`, each of which is the time at which it is due, in seconds."""

    def script(_: GenerationRequest) -> Reply:
        start = time.monotonic()
        due = (start + number * delay_ms / 1000 for number in range(1, n_words + 1))
        # With paragraphs, like real replies: a page renders only the open one again.
        return Reply(tuple(f"{second:.4f}{_after(number)}" for number, second in enumerate(due, 1)), delay_ms)

    return script


def _after(number: int) -> str:
    return " " if number % WORDS_PER_PARAGRAPH else "\n\n"


def main() -> None:
    """Serve until interrupted."""
    home, port, n_words, delay_ms = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    manifests = home / "store" / "manifests"
    manifests.mkdir(parents=True, exist_ok=True)
    (manifests / "clock.toml").write_text(MANIFEST, encoding="utf-8")

    def build(plan: LoadPlan) -> ScriptedEngine:
        return ScriptedEngine(clock(n_words, delay_ms), context_tokens=plan.context_tokens, slots=plan.slots)

    settings = Settings(data_dir=home / "data", model_store=home / "store", port=port)
    app = create_app(settings, {"scripted": EngineFactory("scripted", build, slots=SLOTS)})
    listening = bind(settings.host, settings.port)
    for ui in sys.argv[5:]:
        app = mount_frontend(app, ui, address(listening), settings.data_dir)
    watching: list[asyncio.Task[None]] = []  # keeps a reference to the task, which the loop doesn't

    def watch_the_loop(_: Services) -> None:
        exempt_start_from_gc()  # as `parley serve` does
        watching.append(asyncio.ensure_future(LoopBlock(home / LOOP_BLOCK).watch()))

    Server(app, watch_the_loop).run(sockets=[listening])


if __name__ == "__main__":
    main()
