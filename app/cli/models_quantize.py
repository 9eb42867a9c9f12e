"""``parley models quantize``: convert a Hugging Face model to GGUF for llama.cpp."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.ctrl_c import Stopper
from app.cli.errors import reported
from app.cli.progress_bar import plain_console, show_progress
from app.config import Settings
from app.engine.factories import engine_inputs
from app.models.service import ModelService


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
    models = ModelService.from_settings(Settings(), engine_inputs())
    manifest = models.get(model)
    with Stopper() as stopper, show_progress(plain_console(), manifest.title) as on_progress:
        path = models.convert(model, to, on_progress, stopper.stopped)
    print(f"{path} is ready: {path.stat().st_size / 1e6:,.0f} MB.")
    print(f"Chat with it: parley chat --model {manifest.base_id}@{to}")
