"""nginx and Caddy with the blocks of docs/reverse_proxy.md, and a proxy that changes Host as people's proxies do."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

DOCS = Path(__file__).parents[2] / "docs" / "reverse_proxy.md"
EXECUTABLES = {"nginx": "nginx", "caddy": "caddy"}
_NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/1; uwsgi_temp_path {folder}/2; scgi_temp_path {folder}/3;
    server {{ listen 127.0.0.1:{port};
{block}
    }}
}}
"""
_CADDY = "{{\nadmin off\nauto_https off\n}}\nhttp://:{port} {{\nbind 127.0.0.1\n{block}\n}}\n"


def found(program: str) -> str | None:
    """Where `program` is installed; ``None`` if it isn't."""
    return shutil.which(program, path="/usr/sbin:/usr/bin:/usr/local/bin:/sbin") or shutil.which(program)


def documented(program: str, *, path: bool) -> str:
    """The block of the documentation for a server at the root, or below a path."""
    blocks = re.findall(rf"```{program}\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2, "one for the root, one for a path"
    return str(blocks[path])


@contextmanager
def proxying(program: str, block: str, target: str, folder: Path) -> Iterator[str]:
    """Run `program` with `block`, in front of the server at `target`; yields its address."""
    executable = found(program)
    assert executable is not None
    port = _free_port()
    block = block.replace("127.0.0.1:7860", urlsplit(target).netloc)
    config = folder / "config"
    config.write_text({"nginx": _NGINX, "caddy": _CADDY}[program].format(folder=folder, port=port, block=block))
    arguments = {
        "nginx": ["-c", str(config), "-p", str(folder), "-e", str(folder / "log")],
        "caddy": ["run", "--config", str(config), "--adapter", "caddyfile"],
    }[program]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen([executable, *arguments], stdout=output, stderr=output, env={"HOME": str(folder)})
    try:
        _wait(process, port, folder / "output")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=15)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait(process: subprocess.Popen[bytes], port: int, output: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, output.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(output.read_text())
