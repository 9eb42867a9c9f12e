"""``parley models …``: which models there are, what they need, and bringing them here."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.cli.errors import FAILED, reported
from app.cli.importing import import_command
from app.cli.pulling import Stopper, show_progress
from app.config import Settings
from app.errors import DamagedWeights, InvalidManifest, ModelError
from app.registry.catalog import Catalog, ModelStatus
from app.registry.fetching.pull import pull
from app.registry.manifest import FolderSource, HubSource, Manifest, UpstreamSource, WheelSource
from app.registry.memory import available_bytes, total_bytes
from app.registry.placement import REASONS
from app.registry.progress import Progress
from app.registry.reference import with_adapter

_STATES = {"ready": "ready", "not_fetched": "not fetched", "damaged": "damaged"}

app = typer.Typer(
    help="""List, inspect, check and fetch models.

    A GGUF file or a Hugging Face folder that you put into the model store's `weights` folder shows up by itself. To
    describe a model better, write a manifest into the store's `manifests` folder; model_store/README.md shows how.

    Examples:

        parley models list

        parley models pull smollm2-135m-instruct
    """,
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

app.command("import")(import_command)

ModelId = Annotated[str, typer.Argument(metavar="MODEL", help="A model's id, as `parley models list` shows it.")]


@app.command("list")
@reported
def list_models() -> None:
    """Show all models: whether they are here, their size, the memory they need, and whether this machine has it.

    Example:  parley models list
    """
    catalog = Catalog.from_settings(Settings())
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, justify in (("ID", "left"), ("STATE", "left"), ("SIZE", "right"), ("MEMORY", "right")):
        table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for column in ("FITS", "LANGUAGES", "TITLE"):
        table.add_column(column, overflow="fold")
    for manifest in sorted(catalog.list(), key=lambda m: catalog.status(m.id).state == "not_fetched"):
        for choice in [manifest, *(manifest.loaded_as(name) for name in manifest.quantizations[1:])]:
            table.add_row(*_row(choice, catalog.status(choice.id)))
    _print(table)
    print(f"\nMemory: {_size(available_bytes())} free of {_size(total_bytes())}.")
    for problem in catalog.problems:
        print(f"Ignored: {problem.message}", file=sys.stderr)


@app.command("show")
@reported
def show(model: ModelId) -> None:
    """Show one model in full: source, files, sums, memory, default sampling.

    Example:  parley models show smollm2-135m-instruct
    """
    catalog = Catalog.from_settings(Settings())
    manifest = _known(catalog, model)
    status = catalog.status(manifest.id)
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
        str | None, typer.Argument(metavar="[MODEL]", help="One model; without it, all that are here.")
    ] = None,
) -> None:
    """Read every file again and compare its SHA-256 with the manifest. Exit code 1 when one is damaged.

    Examples:

        parley models check

        parley models check smollm2-135m-instruct
    """
    catalog = Catalog.from_settings(Settings())
    chosen = [_known(catalog, model)] if model else [m for m in catalog.list() if _is_here(catalog, m)]
    damaged = 0
    for manifest in chosen:
        try:
            with show_progress(_console(), manifest.title) as on_progress:
                catalog.verify(
                    manifest.id,
                    again=True,
                    on_progress=lambda done, total: on_progress(Progress("verifying", done, total)),
                )
        except ModelError as err:
            damaged += 1
            print(f"{manifest.id}: {err.message}", file=sys.stderr)
        else:
            known = all(file.sha256 for file in manifest.files)
            print(f"{manifest.id}: good" + ("" if known else " (as far as can be told: the manifest names no sum)"))
    if not chosen:
        print("No model is here yet. See: parley models list")
    if damaged:
        raise typer.Exit(FAILED)


@app.command("pull")
@reported
def pull_model(model: ModelId) -> None:
    """Fetch a model's weights, check them, and put them into the model store. Ctrl-C stops; nothing half is left.

    The package index is the one that your pip is set up for (pip config list).

    Example:  parley models pull smollm2-135m-instruct
    """
    catalog = Catalog.from_settings(Settings())
    manifest = _known(catalog, model)
    with Stopper() as stopper, show_progress(_console(), manifest.title) as on_progress:
        pull(manifest, catalog.store_dir, on_progress, stopper.stopped)
    print(f"{manifest.title} is ready.")


def _console() -> Console:
    """Standard output; where it is no terminal, lines are not folded to 80 columns."""
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=200)


def _print(table: Table) -> None:
    """A table without the spaces that fill its last column."""
    console = _console()
    with console.capture() as capture:
        console.print(table)
    print("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _known(catalog: Catalog, model_id: str) -> Manifest:
    """The model; a manifest that is there but wrong is the better answer than "unknown"."""
    for problem in catalog.problems:
        if str(problem.details.get("path", "")).endswith(f"/{model_id}.toml"):
            raise InvalidManifest(problem.message, **problem.details)
    return catalog.get(model_id)


def _is_here(catalog: Catalog, manifest: Manifest) -> bool:
    return bool(manifest.files) and catalog.status(manifest.id).state != "not_fetched"


def _row(manifest: Manifest, status: ModelStatus) -> tuple[str, ...]:
    fits = {True: "yes", False: "no", None: ""}[status.fits]
    memory = _size(status.memory.total_bytes) if status.memory else ""
    if manifest.id != manifest.base_id:  # another way of loading the model above
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
    checked = " (sums checked)" if status.verified and status.size_bytes else ""
    return [("state", _STATES[status.state] + checked), ("", status.detail), ("size", _size(status.size_bytes))]


def _needs(status: ModelStatus) -> list[tuple[str, str]]:
    memory = status.memory
    if memory is None:
        return []
    verdict = {True: "fits", False: "more than this machine has free", None: ""}[status.fits]
    parts = f"weights {_size(memory.weights_bytes)}, cache {_size(memory.kv_bytes)}"
    return [
        ("memory", f"{_size(memory.total_bytes)}: {verdict} ({parts})"),
        ("at once", f"{memory.slots} replies of {memory.context_tokens:,} tokens each"),
    ]


def _choices(catalog: Catalog, manifest: Manifest) -> list[tuple[str, str]]:
    """What else may stand behind its id: quantizations with their memory, and adapters."""
    rows = []
    for other in (manifest.loaded_as(name) for name in manifest.quantizations):
        status = catalog.status(other.id)
        if other.id != manifest.id and status.memory:
            fits = "" if status.fits else ", more than this machine has free"
            rows.append(("or as", f"{other.id}: {_size(status.memory.total_bytes)} of memory{fits} ({other.engine})"))
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
            base = f", a difference to {m.source.base}" if m.source.base else ""
            rows.append(("source", f"{m.source.repo} at {m.source.revision} on the hub{base}"))
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
