"""A large store: building a dataset from it, and the requests of the page beside it.

A database with 1,000,000 messages and 200,000 judgements (`benchmarks.feedback_log`; kept with --data-dir). Datasets
are built by `parley data build` in processes of their own, whose peak memory is read from the kernel; then a server
answers the requests of a page. Aims: p95 < 50 ms, search < 150 ms.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx

from app.export.base import find_formats
from benchmarks.feedback_log import MODELS, Texts
from benchmarks.feedback_log import main as make_log
from benchmarks.processes import ROOT, parley
from benchmarks.report import median, percentile, publish

BUILDS: Mapping[str, Sequence[str]] = {
    "default": (),
    "all": tuple(argument for name in find_formats() for argument in ("--format", name)),
    "scrubbed": ("--scrub",),
}

REVIEW, STATISTICS, LEADERBOARD = (f"/api/feedback/{name}" for name in ("judgements", "statistics", "leaderboard"))
FIRST = "leaderboard, the first time"  # after the server's start
FEW = ("datasets", "statistics after a decision", "leaderboard after a decision")  # these take long


def build(data_dir: Path, name: str, options: Sequence[str]) -> dict[str, object]:
    """Build one dataset, and delete it; seconds and peak memory."""
    started = time.monotonic()
    command = [sys.executable, "-m", "app.cli.main", "data", "build", name, *options]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PARLEY_DATA_DIR": str(data_dir)})
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    if status:
        raise SystemExit(f"the build of {name} failed")
    size = sum(path.stat().st_size for path in (data_dir / "datasets" / name).iterdir())
    return {
        "build": name,
        "s": round(seconds, 1),
        "CPU s": round(usage.ru_utime + usage.ru_stime, 1),
        "peak MiB": usage.ru_maxrss >> 10,
        "files MB": round(size / 1e6),
    }


def requests(http: httpx.Client, repeats: int) -> list[dict[str, object]]:
    """Times of the requests of a page in milliseconds."""
    random_, texts = random.Random(2), Texts(1)
    ids: list[str] = []
    cursor = None
    for _ in range(4):
        page = http.get("/api/conversations", params={"limit": 50, **({"cursor": cursor} if cursor else {})}).json()
        ids += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    decisions = itertools.cycle(("accepted", "open"))
    kinds: dict[str, Callable[[], httpx.Response]] = {
        "list": lambda: http.get("/api/conversations", params={"limit": 50}),
        "open": lambda: http.get(f"/api/conversations/{random_.choice(ids)}"),
        "search for a word": lambda: http.get("/api/conversations", params={"q": texts.word(), "limit": 50}),
        "search for two characters": lambda: http.get("/api/conversations", params={"q": "中国", "limit": 50}),
        "datasets": lambda: http.get("/api/datasets"),
        "review": lambda: http.get(REVIEW),
        "review by model": lambda: http.get(REVIEW, params={"model": f"import:{random_.choice(MODELS)}"}),
        "review by reason": lambda: http.get(REVIEW, params={"reason": "wrong", "language": "zh"}),
        FIRST: lambda: http.get(LEADERBOARD),
        "statistics after a decision": lambda: _after(http, next(decisions), STATISTICS),
        "statistics again": lambda: http.get(STATISTICS),
        "leaderboard after a decision": lambda: _after(http, next(decisions), LEADERBOARD),
        "leaderboard again": lambda: http.get(LEADERBOARD),
    }
    rows: list[dict[str, object]] = []
    for name, call in kinds.items():
        times = []
        for _ in range(1 if name == FIRST else max(3, repeats // 5) if name in FEW else repeats):
            began = time.perf_counter()
            call().raise_for_status()
            times.append(1000 * (time.perf_counter() - began))
        rows.append({"request": name, "p50 ms": round(median(times), 1), "p95 ms": round(percentile(times, 0.95), 1)})
    return rows


def _after(http: httpx.Client, decision: str, path: str) -> httpx.Response:
    """After another decision than the last one what was kept is computed anew."""
    (judgement,) = http.get(REVIEW, params={"limit": 1}).json()["items"]
    http.put(f"{REVIEW}/{judgement['id']}/review", json={"decision": decision}).raise_for_status()
    return http.get(path)


def main(arguments: list[str] | None = None) -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--judgements", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--builds", nargs="*", default=list(BUILDS), choices=list(BUILDS))
    parser.add_argument("--data-dir", type=Path, help="where the database is, or is made and kept")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as temporary:
        home = given.data_dir or Path(temporary)
        data_dir = home / "data"
        made_s = 0.0
        if not (data_dir / "parley.db").exists():
            began = time.monotonic()
            sizes = ["--messages", str(given.messages), "--judgements", str(given.judgements)]
            make_log([str(data_dir), *sizes])
            made_s = time.monotonic() - began
            print(f"the database was made in {made_s:.0f} s", flush=True)
        builds = [build(data_dir, name, BUILDS[name]) for name in given.builds]
        with parley(home) as server, httpx.Client(base_url=server.url, timeout=120) as http:
            answers = requests(http, given.repeats)
            for name in given.builds:
                http.delete(f"/api/datasets/{name}").raise_for_status()
    publish("feedback_builds", builds, messages=given.messages, judgements=given.judgements, made_s=made_s)
    publish("feedback_requests", answers, messages=given.messages, judgements=given.judgements)


if __name__ == "__main__":
    main()
