"""``parley models quantize``: a Hugging Face model rewritten for llama.cpp, beside the files it is made from."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.errors import reported
from app.cli.pulling import Stopper, plain_console, show_progress
from app.config import Settings
from app.errors import InvalidImport
from app.models.catalog import Catalog
from app.models.provision import make_copy
from app.weights.formats.checkpoint import CONFIG


@reported
def quantize_model(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's id, as `parley models list` shows it.")],
    to: Annotated[
        str, typer.Option(help="The format: q4_0 is smallest; then q4_1, q5_0, q5_1, q8_0, f16 or bf16, f32.")
    ] = "q4_0",
) -> None:
    """Rewrite a Hugging Face model for llama.cpp, which is faster on a processor and needs less memory.

    LLaMA, Mistral, Qwen2, Qwen3 and BLOOM can be rewritten. The model's own files stay as they are. Ctrl-C stops;
    nothing half is left.

    Examples:

        parley models quantize llama-7b --to q4_0

        parley models quantize bloomz-7b1-mt --to q8_0
    """
    catalog = Catalog.from_settings(Settings())
    manifest = catalog.get(model)
    folder = catalog.files.folder(manifest)
    if not (folder / CONFIG).is_file():
        catalog.files.present(manifest)
        raise InvalidImport(f"{manifest.base_id} is no Hugging Face model: there is nothing to rewrite.")
    with Stopper() as stopper, show_progress(plain_console(), manifest.title) as on_progress:
        path = make_copy(folder, catalog.store_dir, to, on_progress, stopper.stopped)
    print(f"{path} is ready: {path.stat().st_size / 1e6:,.0f} MB.")
    print(f"Chat with it: parley chat --model {manifest.base_id}@{to}")
