"""``parley models …``: list, inspect, check, download, import and convert models."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.table import Table

from app.cli.errors import FAILED, reported
from app.cli.models_import import import_command
from app.cli.models_pull import known, pull_command
from app.cli.models_quantize import quantize_model
from app.cli.progress_bar import plain_console, show_progress
from app.config import Settings
from app.errors import DamagedWeights, ModelError
from app.models.catalog import Catalog, ModelStatus
from app.models.manifest import Manifest, UpstreamSource
from app.models.memory.estimate import available_bytes, total_bytes
from app.models.placement import REASONS
from app.models.references import with_adapter
from app.weights.progress import Progress
from app.weights.sources import FolderSource, HubSource, WheelSource

_STATES = {"ready": "ready", "not_fetched": "not downloaded", "damaged": "damaged"}

app = typer.Typer(
    help="""List, inspect, check, download, import and convert models.

    GGUF files and Hugging Face folders in the model store's `weights` folder are listed automatically. To describe a
    model in more detail, add a manifest to the store's `manifests` folder; model_store/README.md shows how.

    Examples:

        parley models list

        parley models pull qwen2.5-1.5b-instruct

        parley models import ~/LLaMA/7B --name llama-7b
    """,
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

app.command("pull")(pull_command)
app.command("import")(import_command)
app.command("quantize")(quantize_model)

ModelId = Annotated[str, typer.Argument(metavar="MODEL", help="A model's id, as `parley models list` shows it.")]


@app.command("list")
@reported
def list_models(
    every: Annotated[bool, typer.Option("--all", help="Show every variant of every model.")] = False,
) -> None:
    """Show all models: state, size, the memory they need, and whether they fit this machine.

    For a downloaded model every variant is shown; for the others only the default, unless you add --all.

    Example:  parley models list
    """
    catalog = Catalog.from_settings(Settings())
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, justify in (("ID", "left"), ("STATE", "left"), ("SIZE", "right"), ("MEMORY", "right")):
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for column in ("FITS", "LANGUAGES", "TITLE"):
        table.add_column(column, overflow="fold")
    states = {manifest.id: catalog.status_of(manifest) for manifest in catalog.list()}
    for manifest in sorted(catalog.list(), key=lambda m: _place(states[m.id])):
        table.add_row(*_row(manifest, states[manifest.id]))
        shown = manifest.quantizations[1:] if every or states[manifest.id].state != "not_fetched" else ()
        for other in (manifest.loaded_as(name) for name in shown):
            table.add_row(*_row(other, catalog.status_of(other)))
    _print(table)
    print(f"\nMemory: {_size(available_bytes())} free of {_size(total_bytes())}.")
    for problem in catalog.problems:
        print(f"Ignored: {problem.message}", file=sys.stderr)


@app.command("show")
@reported
def show(model: ModelId) -> None:
    """Show everything about one model: source, files, checksums, memory, default sampling.

    Example:  parley models show smollm2-135m-instruct
    """
    catalog = Catalog.from_settings(Settings())
    manifest = known(catalog, model)
    status = catalog.status_of(manifest)
    table = Table.grid(padding=(0, 2))
    ways = _choices(catalog, manifest)
    for name, value in [*_description(manifest), *_state(status), *_needs(status), *ways, *_origin(manifest, catalog)]:
        if value:
            table.add_row(name, value)
    _print(table)


@app.command("check")
@reported
def check(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="One model. Default: all downloaded models.")
    ] = None,
) -> None:
    """Read every file and compare its SHA-256 with the manifest. Exit code 1: a file is damaged.

    Examples:

        parley models check

        parley models check smollm2-135m-instruct
    """
    catalog = Catalog.from_settings(Settings())
    chosen = [known(catalog, model)] if model else [m for m in catalog.list() if _is_here(catalog, m)]
    damaged = 0
    for manifest in chosen:
        try:
            with show_progress(plain_console(), manifest.title) as on_progress:
                catalog.verify(
                    manifest.id,
                    again=True,
                    on_progress=lambda done, total: on_progress(Progress("verifying", done, total)),
                )
        except ModelError as err:
            damaged += 1
            print(f"{manifest.id}: {err.message}", file=sys.stderr)
        else:
            summed = all(file.sha256 for file in manifest.files)
            print(f"{manifest.id}: OK" + ("" if summed else " (the manifest has no checksums to compare)"))
    if not chosen:
        print("No model has been downloaded yet. See: parley models list")
    if damaged:
        raise typer.Exit(FAILED)


def _print(table: Table) -> None:
    """A table without the spaces that fill its last column."""
    console = plain_console()
    with console.capture() as capture:
        console.print(table)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _is_here(catalog: Catalog, manifest: Manifest) -> bool:
    return bool(manifest.files) and catalog.status_of(manifest).state != "not_fetched"


def _place(status: ModelStatus) -> tuple[bool, bool, int]:
    """Downloaded models first, in catalog order; then those that fit, the smallest first."""
    if status.state != "not_fetched":
        return False, False, 0
    return True, status.fits is False, status.memory.total_bytes if status.memory else 0


def _row(manifest: Manifest, status: ModelStatus) -> tuple[str, ...]:
    fits = {True: "yes", False: "no", None: ""}[status.fits]
    memory = _size(status.memory.total_bytes) if status.memory else ""
    if manifest.id != manifest.base_id:  # another variant of the model above
        return manifest.id, "", "", memory, fits, "", ""
    languages = " ".join(manifest.languages)
    return manifest.id, _STATES[status.state], _size(status.size_bytes), memory, fits, languages, manifest.title


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
    return [("state", _STATES[status.state] + checked), ("", status.detail), ("size", _size(status.size_bytes))]


def _needs(status: ModelStatus) -> list[tuple[str, str]]:
    memory = status.memory
    if memory is None:
        return []
    verdict = {True: "fits", False: "not enough free memory", None: ""}[status.fits]
    parts = f"weights {_size(memory.weights_bytes)}, cache {_size(memory.kv_bytes)}"
    return [
        ("memory", f"{_size(memory.total_bytes)}: {verdict} ({parts})"),
        ("parallel", f"{memory.slots} replies at once, {memory.context_tokens:,} tokens each"),
    ]


def _choices(catalog: Catalog, manifest: Manifest) -> list[tuple[str, str]]:
    """The other variants with their memory, and the adapters."""
    rows = []
    for other in (manifest.loaded_as(name) for name in manifest.quantizations):
        status = catalog.status_of(other)
        if other.id != manifest.id and status.memory:
            fits = "" if status.fits else ", not enough free memory"
            rows.append(("variant", f"{other.id}: {_size(status.memory.total_bytes)} of memory{fits} ({other.engine})"))
    for adapter in manifest.adapters:
        reference = with_adapter(manifest.id, adapter.name)
        problem = ""
        try:
            catalog.check_adapter(reference)
        except DamagedWeights as err:
            problem = f" ({err.message})"
        rows.append(("adapter", f"{reference}{problem}"))
    return rows


def _origin(m: Manifest, catalog: Catalog) -> list[tuple[str, str]]:
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
    folder = catalog.files.folder(m)
    for file in m.files:
        rows.append(("file", str(folder / file.path)))
        rows.append(("", f"SHA-256 {file.sha256}" if file.sha256 else "no SHA-256 in the manifest"))
    return rows


def _size(value: int | None) -> str:
    """Bytes for people, in powers of ten as disks are sold."""
    if value is None:
        return ""
    return f"{value / 1e9:.1f} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"
