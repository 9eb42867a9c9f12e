"""Format tables, states and sizes for the terminal."""

from __future__ import annotations

from rich.table import Table

from app.cli.progress_bar import plain_console
from app.models.catalog import ModelStatus

_STATES = {"ready": "ready", "not_fetched": "not downloaded", "damaged": "damaged"}


def print_table(table: Table) -> None:
    """Print a table without trailing spaces."""
    console = plain_console()
    with console.capture() as capture:
        console.print(table)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def state_text(status: ModelStatus) -> str:
    """The state of a model's files."""
    return _STATES[status.state]


def size_text(value: int | None) -> str:
    """A size in MB or GB (powers of ten); "" for ``None``."""
    if value is None:
        return ""
    return f"{value / 1e9:.1f} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"
