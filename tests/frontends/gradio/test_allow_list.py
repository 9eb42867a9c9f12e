"""Of Gradio only the page and its files are reachable: nothing fetches, keeps or reads what a visitor names."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.audited_page import Answer, AuditedPage, Request, audited_page
from tests.support.odd_requests import BODIES, CANARY, HEADERS, METHODS, QUERIES, VALUES, filled

SCRIPT = "/static/js/iframeResizer.contentWindow.min.js"  # which the page loads
OPEN = {"/", "/theme.css", "/openapi.json", "/login"}  # the last two are our own


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedPage]:
    with audited_page(tmp_path_factory.mktemp("page")) as running:
        yield running


def refused(page: AuditedPage, requests: list[Request]) -> None:
    """Asserts that each is answered like one to an unknown path, and that nothing is opened for it."""
    for request, answer in zip(requests, page.ask(*requests), strict=True):
        assert answer.status == 404, (request, answer)
        assert request.method == "HEAD" or json.loads(answer.body)["error"]["code"] == "not_found"
        assert answer.opened == [], request


def test_no_other_route_of_gradio_is_reachable(page: AuditedPage) -> None:
    patterns = page.description.patterns
    assert len(patterns) > 60
    assert {"/gradio_api/upload", "/gradio_api/file={path_or_url:path}", "/gradio_api/run/{api_name}"} <= {*patterns}
    kind, body = BODIES["a file by its address"]
    for pattern in patterns:
        path = filled(pattern, [CANARY])[0]
        methods = [m for m in METHODS if path not in OPEN or m not in ("GET", "HEAD")]
        refused(page, [Request(m, path, {"content-type": kind}, body) for m in methods])


@pytest.mark.slow
def test_no_body_header_or_query_opens_another_route(page: AuditedPage) -> None:
    for pattern in page.description.patterns:
        paths = {path for path in filled(pattern, VALUES) if path not in OPEN}
        odd = itertools.product(paths, METHODS, BODIES.values(), zip(HEADERS.values(), QUERIES, strict=True))
        refused(
            page, [Request(m, path + q, {**h, "content-type": kind}, body) for path, m, (kind, body), (h, q) in odd]
        )


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/assets/",
            "/static",
            "/static/js",
            "/assets/../index.html",
            "/assets/%2e%2e/index.html",
            "/assets//etc/passwd",
        ),
        *("/static/..%2f..%2f..%2froutes.py", "/static/%00", "/static/img/logo.svg%00", f"/assets/{'x' * 5000}.js"),
        *("/assets/%5c..%5cindex.html", "//", "/./", "/theme.css/", "/THEME.CSS", f"{SCRIPT}/", f"/{SCRIPT}"),
    ],
)
def test_only_the_files_that_gradio_has_are_served(page: AuditedPage, path: str) -> None:
    refused(page, [Request("GET", path)])


def test_the_page_ignores_queries_forwarded_hosts_and_cookies(page: AuditedPage) -> None:
    plain = page.ask(Request("GET", "/"))[0]
    assert plain.status == 200
    assert "/ui/static/app-" in plain.body
    odd = [Request("GET", f"/{query}", h) for query, h in itertools.product(QUERIES, HEADERS.values())]
    for request, answer in zip(odd, page.ask(*odd), strict=True):
        assert (answer.status, answer.body) == (200, plain.body), request
        assert "access-control-allow-origin" not in answer.headers
        assert opened_beside(answer, "index.html") == [], request


@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1"])
def test_the_page_does_not_depend_on_the_host_that_was_asked_for(page: AuditedPage, host: str) -> None:
    """A reverse proxy may have changed it, and the browser knows the page's address."""
    answer = page.ask(Request("GET", "/", {"host": host}))[0]
    assert '"root":new URL(' in answer.body
    assert "http://" not in re.sub(r'content="[^"]*"', "", answer.body)
    assert host not in answer.body


def test_files_are_served_whole_whatever_the_headers(page: AuditedPage) -> None:
    """A few of them; `test_every_file_is_served` asks for each."""
    files = [path for path in page.description.allowed if path.startswith("/assets/") and path.endswith(".js")]
    assert len(files) > 300
    for path in ("/theme.css", SCRIPT, files[0]):
        served_whole(page, path)


@pytest.mark.slow
def test_every_file_is_served(page: AuditedPage) -> None:
    for path in page.description.allowed:
        if path != "/" and not path.endswith(".wasm"):
            served_whole(page, path)


def served_whole(page: AuditedPage, path: str) -> None:
    plain = page.ask(Request("GET", path))[0]
    assert plain.status == 200
    odd = [Request(method, path, h) for method, h in itertools.product(METHODS, HEADERS.values())]
    for request, answer in zip(odd, page.ask(*odd), strict=True):
        assert answer.status < 500, request
        assert (answer.status == 404) == (request.method not in ("GET", "HEAD")), request
        assert opened_beside(answer, path) == [], request
        if request.method == "GET" and "content-encoding" not in answer.headers:
            assert answer.body == plain.body, request


def opened_beside(answer: Answer, path: str) -> list[str]:
    """What was opened and isn't the file `path`."""
    return [at for at in answer.opened if not (at.startswith("open ") and at.endswith(path))]


def test_gradio_keeps_its_files_in_the_data_folder(page: AuditedPage) -> None:
    folder = Path(page.description.folders[0])
    assert folder.parts[-2:] == ("data", "page")
    assert {*page.description.folders} == {str(folder)}
    assert folder.stat().st_mode & 0o777 == 0o700
