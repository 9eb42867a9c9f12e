"""Runs the checks of `make test` one after the other; stops at the first failure.

It uses the programs in `.venv`. Arguments are passed to pytest: `make test ARGS="tests/store -x"`. The whole suite runs
in several processes; named tests run in one, which starts sooner and prints at once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from page_scripts import check_page_scripts

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
MAX_PROCESSES = 5  # each imports PyTorch and collects all tests, so more would gain little


def command(*parts: str) -> Callable[[], int]:
    """A check that runs one program of `.venv`."""
    return lambda: subprocess.run([BIN / parts[0], *parts[1:]], cwd=ROOT, check=False).returncode


def pytest(arguments: list[str]) -> Callable[[], int]:
    """The tests, in one process more than cores, as many tests wait; those of one file share a process and servers."""
    paths = [argument.partition("::")[0] for argument in arguments]
    if any(path and (ROOT / path).exists() for path in paths):
        return command("pytest", *arguments)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    processes = str(min(cores + 1, MAX_PROCESSES))
    return command("pytest", "--numprocesses", processes, "--dist", "loadfile", *arguments)


def main(pytest_arguments: list[str]) -> int:
    """Run the checks in order; returns the exit code of the first that fails, or 0."""
    checks = {
        "lint": command("ruff", "check", "."),
        "format": command("ruff", "format", "--check", "."),
        "types": command("mypy"),
        "layers": command("lint-imports", "--no-logo"),
        "page scripts": check_page_scripts,
        "tests": pytest(pytest_arguments),
    }
    started = time.monotonic()
    for name, check in checks.items():
        print(f"── {name}", flush=True)
        since = time.monotonic()
        code = check()
        print(f"── {name}: {'failed' if code else 'passed'} in {time.monotonic() - since:.1f} s\n", flush=True)
        if code:
            return code
    print(f"All checks passed in {time.monotonic() - started:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
