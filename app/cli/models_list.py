"""``parley models list``: all models, their state and the memory they need."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.table import Table

from app.cli.errors import reported
from app.cli.tables import print_table, size_text, state_text
from app.config import Settings
from app.engine.factories import engine_inputs
from app.models.model_views import ModelView, VariantView
from app.models.service import ModelService

_FITS = {True: "yes", False: "no", None: ""}


@reported
def list_models(
    every: Annotated[bool, typer.Option("--all", help="Show every variant of every model.")] = False,
) -> None:
    """Show all models: state, size, the memory they need, and whether they fit this machine.

    For a downloaded model every variant is shown; for the others only the default, unless you add --all.

    Example:  parley models list
    """
    listing = ModelService.from_settings(Settings(), engine_inputs()).listing()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, justify in (("ID", "left"), ("STATE", "left"), ("SIZE", "right"), ("MEMORY", "right")):
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for column in ("FITS", "LANGUAGES", "TITLE"):
        table.add_column(column, overflow="fold")
    for view in sorted(listing.models, key=_sort_key):
        table.add_row(*_row(view))
        if every or view.status.state != "not_fetched":
            for variant in view.variants[1:]:
                table.add_row(*_variant_row(variant))
    print_table(table)
    memory = listing.memory
    print(f"\nMemory: {size_text(memory.free_bytes)} free of {size_text(memory.ram.total_bytes)}.")
    if memory.vram is not None:
        print(f"GPU memory: {size_text(memory.free_vram_bytes)} free of {size_text(memory.vram.total_bytes)}.")
    for problem in listing.problems:
        print(f"Ignored: {problem.message}", file=sys.stderr)


def _sort_key(view: ModelView) -> tuple[bool, bool, int]:
    """Downloaded models first, in catalog order; then those that fit, the smallest first."""
    status = view.status
    if status.state != "not_fetched":
        return False, False, 0
    return True, view.fits is False, status.memory.total_bytes if status.memory else 0


def _row(view: ModelView) -> tuple[str, ...]:
    manifest, status = view.manifest, view.status
    memory = size_text(status.memory.total_bytes) if status.memory else ""
    languages = " ".join(manifest.languages)
    size, fits = size_text(status.size_bytes), _FITS[view.fits]
    return manifest.id, state_text(status), size, memory, fits, languages, manifest.title


def _variant_row(variant: VariantView) -> tuple[str, ...]:
    """The row of a variant, below its model."""
    memory = variant.status.memory
    return (
        variant.manifest.id,
        "",
        "",
        size_text(memory.total_bytes) if memory else "",
        _FITS[variant.fits],
        "",
        "",
    )
