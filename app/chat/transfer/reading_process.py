"""Runs :mod:`app.chat.transfer.reading`, whose output is at most one slice of a conversation ahead of its reader."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import IO, Any

from app.errors import InvalidImport
from app.system.child_process import SOURCE_ROOT, environment, python_module

_MODULE = "app.chat.transfer.reading"
_LINE_BYTES = 1 << 24  # a message of the greatest length, each character written as \\u0001
_ENDED = "This file can't be read: it takes too much time or memory. Import it in parts."


@asynccontextmanager
async def reading(file: IO[bytes], max_bytes: int) -> AsyncGenerator[AsyncGenerator[str, None], None]:
    """The lines that the process writes about `file`, a real one. Leaving the context ends the process."""
    file.seek(0)
    process = await asyncio.create_subprocess_exec(
        *python_module(_MODULE),
        str(max_bytes),
        stdin=file,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=_LINE_BYTES,
        cwd=SOURCE_ROOT,
        env=environment(os.environ),
        start_new_session=True,  # Ctrl-C is for the server
    )
    try:
        yield _lines(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.shield(process.wait())


async def _lines(process: asyncio.subprocess.Process) -> AsyncGenerator[str, None]:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        yield line.decode()
    if await process.wait() != 0:
        raise InvalidImport(_ENDED)


def parsed(line: str) -> dict[str, Any]:
    """A line as an object. Long lines are better parsed in a thread."""
    found: dict[str, Any] = json.loads(line)
    return found
