"""Reports of benchmarks: Markdown tables, JSON files, medians and percentiles."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

Row = Mapping[str, object]

OUTPUT = Path("build") / "benchmarks"


def table(rows: Sequence[Row]) -> str:
    """`rows` as a Markdown table; columns in the order of the first row."""
    if not rows:
        return "(nothing)"
    cells = [[str(name) for name in rows[0]], *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 1) + ":" for width in widths) + "|", *lines[1:]])


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def publish(name: str, rows: Sequence[Row], **rest: object) -> None:
    """Print the table and write everything to `build/benchmarks/<name>.json`."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    path = OUTPUT / f"{name}.json"
    path.write_text(
        json.dumps({"benchmark": name, "machine": machine(), "rows": rows, **rest}, indent=1) + "\n", encoding="utf-8"
    )
    print(f"\n{table(rows)}\n(raw numbers: {path})\n", flush=True)


def machine() -> dict[str, object]:
    """The machine and the versions of the main packages."""
    return {
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        **{package: version(package) for package in ("xllamacpp", "fastapi", "gradio", "uvicorn")},
    }


def cpu_name() -> str:
    """The processor's name on Linux, otherwise its architecture."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def median(values: Iterable[float]) -> float:
    """The median; nan if empty."""
    listed = list(values)
    return statistics.median(listed) if listed else float("nan")


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all values do not exceed; nan if empty."""
    if not values:
        return float("nan")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
