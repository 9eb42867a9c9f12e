"""``parley models quantize``: convert a Hugging Face model to GGUF for llama.cpp."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.errors import reported
from app.cli.progress_bar import Stopper, plain_console, show_progress
from app.config import Settings
from app.errors import InvalidImport
from app.models.catalog import Catalog
from app.models.gguf_conversion import make_copy
from app.weights.formats.checkpoint import CONFIG


@reported
def quantize_model(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's id, as `parley models list` shows it.")],
    to: Annotated[
        str, typer.Option(help="Number format: q4_0 (smallest), q4_1, q5_0, q5_1, q8_0, f16, bf16 or f32.")
    ] = "q4_0",
) -> None:
    """Convert a Hugging Face model to GGUF for llama.cpp, which is faster on a CPU and needs less memory.

    Works for LLaMA, Mistral, Qwen2, Qwen3 and BLOOM. The original files stay as they are. Ctrl-C stops and leaves no
    partial file.

    Examples:

        parley models quantize llama-7b --to q4_0

        parley models quantize bloomz-7b1-mt --to q8_0
    """
    catalog = Catalog.from_settings(Settings())
    manifest = catalog.get(model)
    folder = catalog.files.folder(manifest)
    if not (folder / CONFIG).is_file():
        catalog.files.present(manifest)
        raise InvalidImport(f"{manifest.base_id} is not a Hugging Face model, so there is nothing to convert.")
    with Stopper() as stopper, show_progress(plain_console(), manifest.title) as on_progress:
        path = make_copy(folder, catalog.store_dir, to, on_progress, stopper.stopped)
    print(f"{path} is ready: {path.stat().st_size / 1e6:,.0f} MB.")
    print(f"Chat with it: parley chat --model {manifest.base_id}@{to}")
