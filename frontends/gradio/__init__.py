"""The web page: Gradio lays out its columns, scripts of our own (``static/``) fill them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI

    from frontends.client import ParleyClient
    from frontends.view.render_process import RenderProcess

QUEUE_PAUSE_S = 0.1


def mount(app: FastAPI, api_url: str, folder: Path) -> FastAPI:
    """Mount the page at ``/`` and its routes at ``/ui`` of `app`; both speak HTTP to the API at `api_url`.

    Gradio keeps its temporary files in `folder`. It is imported only here, since that takes seconds.
    """
    from frontends.gradio.quick_import import import_gradio

    gr = import_gradio(folder)
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.routing import Mount, Route

    from frontends.client import ParleyClient
    from frontends.gradio.allow_list import AllowList, page_paths
    from frontends.gradio.page import build
    from frontends.gradio.shell import HeadFirst, head
    from frontends.gradio.static_files import PageFiles
    from frontends.gradio.theme import theme
    from frontends.view import routes
    from frontends.view.render_process import RenderProcess
    from frontends.view.renderings import Renderings
    from frontends.view.shared import page as shared_page

    client, process = ParleyClient(api_url), RenderProcess()
    files = PageFiles()
    renderings = Renderings(process)
    ui = [*routes.create_routes(client, process, renderings), Route("/static/{name}", files.serve)]
    app.mount("/ui", Starlette(routes=ui))
    app.mount("/shared", Starlette(routes=shared_page.create_routes(client, renderings)))
    app.user_middleware.append(
        Middleware(HeadFirst, head=head(files))
    )  # innermost, so that its output is compressed too
    run_with(app, client, process)
    page = build()
    # Gradio's queue, which we do not use, looks for work a thousand times a second by default.
    page._queue.sleep_when_free = QUEUE_PAUSE_S
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        page,
        path="/",
        theme=theme(),
        ssr_mode=False,
        run_history=False,
        show_error=False,
        footer_links=[],
        mcp_server=False,
        enable_monitoring=False,
        max_file_size="1mb",
        allowed_paths=[],
    )
    gradio_mount = mounted.routes[-1]
    assert isinstance(gradio_mount, Mount)
    gradio_mount.app = AllowList(gradio_mount.app, page_paths())
    return mounted


def run_with(app: FastAPI, client: ParleyClient, process: RenderProcess) -> None:
    """Start `process` when `app` starts, and close both when it ends."""
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(outer: FastAPI) -> AsyncIterator[Any]:
        async with inner(outer) as state:
            starting = asyncio.create_task(process.start(), name="start the render process")
            try:
                yield state
            finally:
                await client.aclose()
                await process.close()
                await starting

    app.router.lifespan_context = lifespan
