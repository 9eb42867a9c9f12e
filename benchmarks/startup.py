"""Start-up time until the first reply, and memory and CPU while idle.

`parley serve` runs in an empty data folder with the default model downloaded: seconds from the command to `/readyz`, to
the page, and to the end of a short first reply (which loads the model); memory of server and worker; CPU while idle.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.processes import DEFAULT_MODEL, Server, memory, parley
from benchmarks.report import median, publish

FIRST_TEXT = re.compile(r'"content": ?"[^"]')  # the content of the first chunk is empty


def first_reply_s(server: Server) -> float:
    """Seconds to the first text of the first streamed reply, including the loading of the model."""
    body = {
        "model": DEFAULT_MODEL,
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
        "max_tokens": 16,
        "stream": True,
    }
    asked = time.monotonic()
    first = None
    with httpx.stream("POST", f"{server.url}/v1/chat/completions", json=body, timeout=60) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if first is None and FIRST_TEXT.search(line):
                first = time.monotonic() - asked
    if first is None:
        raise SystemExit("the first reply was empty")
    return first


def measure(idle_s: float) -> dict[str, float]:
    """Measure one start, one reply and an idle period."""
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as home:
        started = time.monotonic()
        with parley(Path(home)) as server:
            httpx.get(server.url, follow_redirects=True, timeout=30).raise_for_status()
            page_s = time.monotonic() - started
            before = memory(server.process)
            reply_s = first_reply_s(server)
            to_reply_s = time.monotonic() - started
            after = memory(server.process)
            worker = memory(server.workers()[0])
            cpu_before = server.cpu_s()
            time.sleep(idle_s)
            return {
                "ready s": round(server.ready_s, 2),
                "page s": round(page_s, 2),
                "first text after asking s": round(reply_s, 2),
                "reply ended s": round(to_reply_s, 2),
                "server MiB, no model": before.rss_mib,
                "server MiB, after a reply": after.rss_mib,
                "worker MiB": worker.rss_mib,
                "worker MiB, shared pages divided": worker.pss_mib,
                "idle CPU %": round(100 * (server.cpu_s() - cpu_before) / idle_s, 2),
            }


def main(arguments: list[str] | None = None) -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--idle", type=float, default=20.0, help="seconds of idling")
    given = parser.parse_args(arguments)
    runs = []
    for repeat in range(given.repeats):
        print(f"startup {repeat + 1}/{given.repeats}", flush=True)
        runs.append(measure(given.idle))
    rows = [{"what": name, "median": median(run[name] for run in runs)} for name in runs[0]]
    publish("startup", rows, runs=runs)


if __name__ == "__main__":
    main()
