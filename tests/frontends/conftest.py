"""A scripted API and the page's server side in front of it, both on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from frontends.client import ParleyClient
from frontends.gradio.static_files import PageFiles
from frontends.view import routes
from frontends.view.render_process import RenderProcess
from frontends.view.renderings import Renderings
from tests.support.fake_api import FakeApi, serving


@pytest.fixture
def unreachable_url() -> Iterator[str]:
    """A page server whose API isn't there."""
    with serving(page_server(ParleyClient(lambda: "http://127.0.0.1:9"))) as url:
        yield f"{url}/ui"


def page_server(client: ParleyClient) -> Starlette:
    """The routes as they are mounted, with a client and a render process that are closed at the end."""

    process = RenderProcess()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await client.aclose()
        await process.close()

    ours = [*routes.create_routes(client, process, Renderings(process)), Route("/static/{name}", PageFiles().serve)]
    return Starlette(routes=[Mount("/ui", routes=ours)], lifespan=lifespan)


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def api_url(api: FakeApi) -> Iterator[str]:
    with serving(api.app()) as url:
        yield url


@pytest.fixture
def ui_url(api_url: str) -> Iterator[str]:
    with serving(page_server(ParleyClient(api_url))) as url:
        yield f"{url}/ui"


@pytest.fixture
def browser(ui_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=ui_url, timeout=20, trust_env=False, verify=False) as client:
        yield client
