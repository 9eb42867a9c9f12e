"""``parley models check``: verify the files of models against the checksums in their manifests."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from app.cli.errors import FAILED, reported
from app.cli.progress_bar import plain_console, show_progress
from app.config import Settings
from app.engine.factories import engine_inputs
from app.errors import ModelError
from app.models.manifest import Manifest
from app.models.service import ModelService


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
    models = ModelService.from_settings(Settings(), engine_inputs())
    chosen = [models.get_readable(model)] if model else _downloaded(models)
    damaged = 0
    for manifest in chosen:
        try:
            with show_progress(plain_console(), manifest.title) as on_progress:
                models.check(manifest.id, on_progress)
        except ModelError as err:
            damaged += 1
            print(f"{manifest.id}: {err.message}", file=sys.stderr)
        else:
            has_checksums = all(file.sha256 for file in manifest.files)
            print(f"{manifest.id}: OK" + ("" if has_checksums else " (the manifest has no checksums to compare)"))
    if not chosen:
        print("No model has been downloaded yet. See: parley models list")
    if damaged:
        raise typer.Exit(FAILED)


def _downloaded(models: ModelService) -> list[Manifest]:
    entries = [entry for entry in models.catalog.entries() if entry.status.state != "not_fetched"]
    return [entry.manifest for entry in entries if entry.manifest.files]
