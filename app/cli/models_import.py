"""``parley models import``: add a model or an adapter from files to the model store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.ctrl_c import Stopper
from app.cli.errors import reported
from app.cli.models_pull import ToOption
from app.cli.progress_bar import plain_console, show_progress
from app.config import Settings
from app.engine.factories import engine_inputs
from app.models.gguf_conversion import parse_convert_to
from app.models.service import ModelService
from app.weights.formats.adapter_folder import describe_adapter


@reported
def import_command(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A folder, a GGUF file, or Meta's first shard.")],
    name: Annotated[str, typer.Option(help="Name in the store. Default: the name of the source.")] = "",
    base: Annotated[
        str, typer.Option(metavar="B", help="Base of delta weights: a folder, consolidated.00.pth, or a model's id.")
    ] = "",
    to: ToOption = "auto",
) -> None:
    """Add a published model or adapter to the model store.

    Takes Hugging Face folders, PEFT adapters, GGUF files, Meta's LLaMA files, the delta weights of Alpaca and Vicuna,
    and BELLE's encrypted files. Safetensors and GGUF files are linked; .bin and .pth files are converted once, in a
    process that runs no code from them. The model is then converted to GGUF for llama.cpp where that is faster; --to
    none skips this. Ctrl-C stops; the same command resumes.

    Examples:

        parley models import ~/Downloads/chatglm-6b

        parley models import ./checkpoint-500 --name my-lora

        parley models import ~/Downloads/qwen2.5-7b-instruct-q4_k_m.gguf

        parley models import ~/LLaMA/7B --name llama-7b --to q8_0

        parley models import ~/Downloads/alpaca-7b-wdiff --base llama-7b --name alpaca-7b

        parley models import ~/Downloads/vicuna-13b-delta-v1.1 --base llama-13b --name vicuna-13b

        parley models import ~/Downloads/BELLE-LLaMA-7B-2M-enc --base ~/LLaMA/7B --name belle-llama-7b
    """
    convert_to = parse_convert_to(to)
    models = ModelService.from_settings(Settings(), engine_inputs())
    label = name or source.name
    with Stopper() as stopper, show_progress(plain_console(), label) as on_progress:
        done = models.import_files(source, name, base, convert_to, on_progress, stopper.stopped)
    print(f"{done.folder.name} is in {done.folder}. See: parley models list")
    for note in done.notes:
        print(note)
    if done.kind == "adapter":
        print(_offered_with(models, done.folder))


def _offered_with(models: ModelService, folder: Path) -> str:
    ids = models.offered_with(folder)
    if ids:
        return f"This adapter works with {', '.join(ids)}. See: parley models show {ids[0]}"
    bases = " or ".join(dict.fromkeys(describe_adapter(folder).bases)) or "an unnamed model"
    return (
        f"This adapter is for {bases}, which is not in the store. Import that model under this name, or write a "
        "manifest with an [[adapters]] entry."
    )
