"""Methods, bodies, headers, queries and path parameters that no client of ours sends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

CANARY = "http://canary.invalid/x.png"
FILE_DATA = {"path": CANARY, "url": CANARY, "meta": {"_type": "gradio.FileData"}}
FORM = 'multipart/form-data; boundary="b"'
UPLOAD = '--b\r\nContent-Disposition: form-data; name="files"; filename="../../x.html"\r\n\r\n<script>\r\n--b--\r\n'
JSON = "application/json"
BODIES = {
    "a file by its address": (JSON, json.dumps({"data": [FILE_DATA], "fn_index": 0, "session_hash": "x"})),
    "nothing": (JSON, ""),
    "broken JSON": (JSON, '{"data": ['),
    "an upload": (FORM, UPLOAD),
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "ODD")
HEADERS: dict[str, dict[str, str]] = {
    "plain": {},
    "forwarded": {
        "x-forwarded-host": "canary.invalid",
        "x-forwarded-proto": "https",
        "forwarded": "host=canary.invalid",
    },
    "foreign login": {"authorization": "Bearer x", "cookie": "access-token=x; oauth=y"},
    "a range": {"range": "bytes=9999999999-1,abc", "if-range": "\x7f"},
    "a preflight": {"access-control-request-method": "POST", "access-control-request-headers": "x"},
    "conditions": {"if-none-match": '"' * 9, "if-modified-since": "yesterday", "accept-encoding": "br;q=x, \xff"},
}
VALUES = (CANARY, "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/etc/passwd", "%00", "-1", "x" * 300)
QUERIES = ("", "?session_hash=x", "?deep_link=../../x", "?page=x&all_endpoints=1", f"?url={CANARY}", "?%ff=%00")


def filled(pattern: str, values: Iterable[str]) -> list[str]:
    """`pattern` with each value in place of its parameters."""
    return [re.sub(r"{[^}]*}", lambda _, value=value: value, pattern) for value in values]  # type: ignore[misc]
