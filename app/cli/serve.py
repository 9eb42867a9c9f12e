"""``parley serve``: run the server with its page."""

from __future__ import annotations

import asyncio
import logging
import sys
from enum import StrEnum
from typing import Annotated

import typer

from app.api.account_schemas import link_path
from app.api.deps import Services
from app.cli import uvicorn_server
from app.cli.errors import reported
from app.config import Settings
from app.errors import ParleyError
from app.main import create_app, mount_frontend

# Downloaded at the first start when there is no model at all.
EMBEDDED_DEFAULT = "smollm2-135m-instruct"

HELP = """Serve the page, the API and the OpenAI-compatible API; by default on this machine only.

The first start downloads a small model (93 MB) if there is none; `--no-fetch` prevents that.

Examples:

    parley serve

    parley serve --port 9000 --model my-model

    parley serve --ui none              (API only)

    parley serve --login                (ask for a login; prints a link to make the first account)

    parley serve --host 0.0.0.0         (for other machines too; needs an account: `parley users add NAME`)
"""


class UI(StrEnum):
    """Front ends that can be mounted."""

    GRADIO = "gradio"
    NONE = "none"


@reported
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 0.0.0.0: all, which needs an account.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = None,
    model: Annotated[str | None, typer.Option(help="Model for new conversations; see `parley models list`.")] = None,
    root_path: Annotated[str | None, typer.Option(help="Path under which a reverse proxy serves it: /chat.")] = None,
    login: Annotated[bool | None, typer.Option("--login", help="Ask for a login before there is an account.")] = None,
    ui: Annotated[UI, typer.Option(help="Front end to serve at /.")] = UI.GRADIO,
    fetch: Annotated[bool, typer.Option("--fetch/--no-fetch", help="Download a model if there is none.")] = True,
) -> None:
    """Serve until interrupted."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # we report the same errors ourselves, once
    given = {"host": host, "port": port, "model": model, "root_path": root_path, "login": login}
    settings = Settings(**{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
    listening = uvicorn_server.bind(settings.host, settings.port)
    url = uvicorn_server.address(listening)
    app = create_app(settings)
    if ui is not UI.NONE:
        print("Preparing the page …", flush=True)
        app = mount_frontend(app, ui.value, url, settings.data_dir)

    def started(services: Services) -> None:
        uvicorn_server.exempt_start_from_gc()
        _print_addresses(services, url, ui)
        if fetch and services.models.default_model() is None:
            app.state.fetching = asyncio.ensure_future(_fetch_default(services))

    running = uvicorn_server.Server(app, started, settings.trusted_proxies)
    running.run(sockets=[listening])


def _print_addresses(services: Services, url: str, ui: UI) -> None:
    default = services.models.default_model()
    model = services.models.get(default).title if default else "none yet"
    if services.auth.first_link:
        print(f"First account: {url}{link_path(services.auth.first_link)}")
        print("               (an administrator's; the link works once and is in no log)")
    if ui is not UI.NONE:
        print(f"Chat here:     {url}")
    if not services.settings.is_private:
        print("Not encrypted: put a reverse proxy with TLS in front for others; see docs/reverse_proxy.md")
    print(f"OpenAI API:    {url}/v1")
    print(f"Model:         {model}")
    print(f"Your data:     {services.settings.data_dir.resolve()}")
    print("Press Ctrl-C to stop.", flush=True)


async def _fetch_default(services: Services) -> None:
    """Download the default model; a line per 10 %. If that fails, the server keeps running."""
    model_id = EMBEDDED_DEFAULT
    manifest, printed_percent = services.models.get(model_id), -1
    print(f"Downloading {manifest.title} …", flush=True)
    try:
        await services.model_jobs.start_fetch(services.local_user_id, model_id)
    except ParleyError as err:  # nothing can be stored
        print(err.message, flush=True)
        return
    while (progress := services.models.fetches.progress(model_id)) is not None:
        percent = 100 * progress.done_bytes // max(1, progress.total_bytes or 1)
        if progress.total_bytes and percent // 10 > printed_percent // 10:
            printed_percent = percent
            print(f"  {percent:3d} % of {progress.total_bytes / 1e6:.0f} MB ({progress.phase})", flush=True)
        await asyncio.sleep(0.2)
    error = services.models.fetches.last_error(model_id)
    print(f"{error.message}" if error else f"{manifest.title} is ready.", flush=True)
