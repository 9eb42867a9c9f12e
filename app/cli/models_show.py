"""``parley models show``: everything about one model."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from app.cli.errors import reported
from app.cli.tables import print_table, size_text, state_text
from app.config import Settings
from app.engine.factories import engine_inputs
from app.models.catalog import ModelStatus
from app.models.manifest import Manifest, UpstreamSource
from app.models.model_views import ModelView
from app.models.placement import REASONS
from app.models.references import with_adapter
from app.models.service import ModelService
from app.weights.sources import FolderSource, HubSource, WheelSource


@reported
def show(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's id, as `parley models list` shows it.")],
) -> None:
    """Show everything about one model: source, files, checksums, memory, default sampling.

    Example:  parley models show smollm2-135m-instruct
    """
    models = ModelService.from_settings(Settings(), engine_inputs())
    models.get_readable(model)
    view = models.show(model)
    folder = models.catalog.files.folder(view.manifest)
    parts = (_description(view.manifest), _state(view.status), _needs(view), _choices(view))
    table = Table.grid(padding=(0, 2))
    for name, value in chain(*parts, _origin(view.manifest, folder)):
        if value:
            table.add_row(name, value)
    print_table(table)


def _description(m: Manifest) -> list[tuple[str, str]]:
    return [
        ("id", m.id),
        ("title", m.title),
        ("description", m.description),
        ("kind", m.kind),
        ("languages", ", ".join(m.languages)),
        ("parameters", m.parameters),
        ("quantization", m.quantization),
        ("context", f"{m.context_tokens:,} tokens" if m.context_tokens else ""),
        ("licence", m.licence),
        ("engine", f"{m.engine}: {REASONS[m.why]}"),
        ("family", m.family),
        ("sampling", ", ".join(f"{k} {v}" for k, v in m.default_sampling.as_dict().items() if v not in (None, []))),
    ]


def _state(status: ModelStatus) -> list[tuple[str, str]]:
    checked = " (checksums verified)" if status.verified and status.size_bytes else ""
    return [("state", state_text(status) + checked), ("", status.detail), ("size", size_text(status.size_bytes))]


def _needs(view: ModelView) -> list[tuple[str, str]]:
    memory = view.status.memory
    if memory is None:
        return []
    verdict = {True: "fits", False: "not enough free memory", None: ""}[view.fits]
    parts = f"weights {size_text(memory.weights_bytes)}, cache {size_text(memory.kv_bytes)}"
    return [
        ("memory", f"{size_text(memory.total_bytes)}: {verdict} ({parts})"),
        ("parallel", f"{memory.slots} replies at once, {memory.context_tokens:,} tokens each"),
    ]


def _choices(view: ModelView) -> list[tuple[str, str]]:
    """The other variants with their memory, and the adapters."""
    rows = []
    for variant in view.variants:
        other, memory = variant.manifest, variant.status.memory
        if other.id != view.manifest.id and memory:
            fits = "" if variant.fits else ", not enough free memory"
            rows.append(("variant", f"{other.id}: {size_text(memory.total_bytes)} of memory{fits} ({other.engine})"))
    for adapter in view.manifest.adapters:
        problem = view.adapter_problems.get(adapter.name)
        rows.append(("adapter", with_adapter(view.manifest.id, adapter.name) + (f" ({problem})" if problem else "")))
    return rows


def _origin(m: Manifest, folder: Path) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    match m.source:
        case WheelSource():
            rows.append(("source", f"{m.source.member} in the wheel {m.source.requirement}"))
        case HubSource():
            base = f", delta weights for {m.source.base}" if m.source.base else ""
            rows.append(("source", f"{m.source.repo} at {m.source.revision} on Hugging Face{base}"))
        case UpstreamSource():
            key = f", key in ${m.source.api_key_env}" if m.source.api_key_env else ""
            rows.append(("source", f"{m.source.model} at {m.source.base_url}{key}"))
        case FolderSource() | None:
            pass
    for file in m.files:
        rows.append(("file", str(folder / file.path)))
        rows.append(("", f"SHA-256 {file.sha256}" if file.sha256 else "no SHA-256 in the manifest"))
    return rows
