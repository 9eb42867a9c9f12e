"""A server with accounts and its page, in a process of its own: importing Gradio leaves event loops open.

    python -m tests.support.house FOLDER

It writes a :class:`Description` as a line of JSON, and serves until its input ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import Mount, Route

from app.engine.scripted import Reply, rules


@dataclass
class Description:
    """Where it listens, the secret of the first invitation, all routes (method, path) and Gradio's path patterns."""

    url: str
    first_link: str
    routes: list[tuple[str, str]]
    gradio: list[str]


@contextmanager
def house(folder: Path) -> Iterator[Description]:
    """Start the process, with its data in `folder`."""
    command = [sys.executable, "-m", "tests.support.house", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Description(**json.loads(process.stdout.readline()))
        finally:
            process.stdin.close()
            process.wait(timeout=20)


def _walked(routes: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The routes of the application and of what is mounted in it."""
    for route in routes:
        included = getattr(route, "original_router", None)  # FastAPI's included router
        if included is not None:
            yield from _walked(included.routes, prefix)
        elif isinstance(route, Mount):
            yield from _walked(getattr(route.app, "routes", ()), prefix + route.path)
        elif isinstance(route, Route | APIRoute):
            yield from ((method, prefix + route.path) for method in route.methods or ())


def _main() -> None:
    from app.main import create_app, mount_frontend
    from tests.support.audited_page import described
    from tests.support.servers import running, scripted_engines, scripted_settings

    settings = scripted_settings(Path(sys.argv[1]), login=True, chatglm_api=True, user_requests_per_minute=0)
    script = rules(("hang", Reply(("waiting ",), hangs=True)))
    page = mount_frontend(
        create_app(settings, scripted_engines(script)), "gradio", "http://127.0.0.1:9", settings.data_dir
    )
    with running(page, settings) as api:
        first_link = api.parts.auth.first_link or ""
        routes = sorted(_walked(page.routes))
        print(json.dumps(asdict(Description(api.url, first_link, routes, described(page).patterns))), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _main()
