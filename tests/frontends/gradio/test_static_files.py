"""The page's files as they are served: compressed, kept for ever or revalidated, and nothing else."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import httpx
import pytest

from frontends.gradio.static_files import PageFiles

BUNDLES = [PageFiles().script, PageFiles().styles]


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.parametrize("accepted", ["gzip, deflate, br, zstd", "gzip", "identity"])
def test_bundles_are_compressed_and_kept_for_ever(browser: httpx.Client, name: str, accepted: str) -> None:
    answer = browser.get(f"/static/{name}", headers={"accept-encoding": accepted})
    assert answer.status_code == 200
    kind = "text/css" if name.endswith("css") else "text/javascript"
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["vary"] == "Accept-Encoding"
    expected = {"gzip, deflate, br, zstd": "br", "gzip": "gzip", "identity": None}[accepted]
    assert answer.headers.get("content-encoding") == expected
    if expected:
        assert int(answer.headers["content-length"]) < len(answer.content) / 3
    assert answer.content == browser.get(f"/static/{name}", headers={"accept-encoding": "identity"}).content


def test_the_icon_is_revalidated(browser: httpx.Client) -> None:
    answer = browser.get("/static/icon.svg")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert answer.headers["cache-control"] == "no-cache"
    again = browser.get("/static/icon.svg", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["../shell.py", "%2e%2e/shell.py", "..%2fshell.py", "main.js", "page/tokens.css", "app-0.js", "%00", ""]
)
def test_nothing_else_is_served(ui_url: str, path: str) -> None:
    address = urlsplit(ui_url)
    with socket.create_connection((address.hostname, address.port)) as raw:  # a client library would tidy the path
        raw.sendall(f"GET /ui/static/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        status = raw.recv(100).split(b" ", 2)[1]
    assert status in (b"404", b"400")
