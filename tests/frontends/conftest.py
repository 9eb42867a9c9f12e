"""A scripted API and the page's server side in front of it, both on real sockets."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from frontends.client import ParleyClient
from frontends.gradio.routes import create_routes
from tests.support.fake_api import FakeApi, serving


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def api_url(api: FakeApi) -> Iterator[str]:
    with serving(api.app()) as url:
        yield url


@pytest.fixture
def ui_url(api_url: str) -> Iterator[str]:
    app = Starlette(routes=[Mount("/ui", create_routes(ParleyClient(api_url)))])
    with serving(app) as url:
        yield f"{url}/ui"


@pytest.fixture
def browser(ui_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=ui_url, timeout=20, trust_env=False) as client:
        yield client
