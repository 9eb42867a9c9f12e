"""The page's scripts and style sheets, as they are served."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import httpx
import pytest


def test_static_files_are_revalidated(browser: httpx.Client) -> None:
    for path in ("/static/highlight.css", "/static/page/tokens.css", "/static/main.js"):
        answer = browser.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-cache"
        kind = "text/css" if path.endswith("css") else "text/javascript"
        assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
        again = browser.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "../shell.py",
        "%2e%2e/shell.py",
        "..%2fshell.py",
        "%2e%2e%2fshell.py",
        "i18n/../../page.py",
        "/etc/passwd",
        "%00",
        "",
    ],
)
def test_nothing_outside_is_served(ui_url: str, path: str) -> None:
    address = urlsplit(ui_url)
    with socket.create_connection((address.hostname, address.port)) as raw:  # a client library would tidy the path
        raw.sendall(f"GET /ui/static/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        status = raw.recv(100).split(b" ", 2)[1]
    assert status in (b"404", b"400")
