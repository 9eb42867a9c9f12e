"""Runs all benchmarks (`make bench`), or the named ones: `make bench ARGS="startup two_models"`."""

from __future__ import annotations

import importlib
import sys

BENCHMARKS = (
    "startup",
    "engine_throughput",
    "long_chat",
    "api_cost",
    "overload",
    "page_scale",
    "first_load",
    "two_models",
    "leaderboard",
    "voting",
)


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; returns the exit code."""
    if unknown := set(names) - set(BENCHMARKS):
        print(f"No such benchmark: {', '.join(sorted(unknown))}. There are {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"# {name}\n\n{module.__doc__}", flush=True)
        module.main([])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
