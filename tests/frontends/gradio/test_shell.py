"""Our lines in the head of Gradio's page."""

from __future__ import annotations

import re
from importlib.resources import files as files_of

from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from frontends.gradio.shell import SHEET, HeadFirst, head
from frontends.gradio.static_files import PageFiles

PAGE = '<html><head><title>x</title><link rel="stylesheet" crossorigin href="./assets/index-A1_b.css"></head></html>'


def served(path: str) -> str:
    async def page(_: object) -> HTMLResponse:
        return HTMLResponse(PAGE)

    app = Starlette(routes=[Route("/", page), Route("/other", page)])
    app.add_middleware(HeadFirst, head="<meta name=ours>")
    with TestClient(app) as client:
        response = client.get(path)
        assert int(response.headers["content-length"]) == len(response.content)
        return response.text


def test_the_head_comes_first_and_gradios_sheet_gives_way() -> None:
    text = served("/")
    assert text.startswith("<html><head><meta name=ours><title>")
    assert '<style>@import url("./assets/index-A1_b.css") layer(gradio);</style>' in text
    assert '<link rel="stylesheet" media="not all" href="./assets/index-A1_b.css">' in text


def test_everything_else_passes_untouched() -> None:
    assert served("/other") == PAGE


def test_gradios_page_is_as_we_expect_it() -> None:
    """A new Gradio that names its sheet differently must not pass unnoticed."""
    template = files_of("gradio") / "templates" / "frontend" / "index.html"
    assert len(SHEET.findall(template.read_bytes())) == 1


def test_the_head_asks_for_one_script_one_sheet_and_the_icon() -> None:
    files = PageFiles()
    asked = re.findall(r'(?:href|src)="\./ui/static/([^"]+)"', head(files))
    assert asked == ["icon.svg", files.styles, files.script]
    assert "http" not in head(files)
