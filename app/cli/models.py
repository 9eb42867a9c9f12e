"""``parley models …``: the group of model commands; each command is in its own file, ``models_<command>.py``."""

from __future__ import annotations

import typer

from app.cli.models_check import check
from app.cli.models_import import import_command
from app.cli.models_list import list_models
from app.cli.models_pull import pull_command
from app.cli.models_quantize import quantize_model
from app.cli.models_show import show

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

app.command("list")(list_models)
app.command("show")(show)
app.command("check")(check)
app.command("pull")(pull_command)
app.command("import")(import_command)
app.command("quantize")(quantize_model)
