"""Runs ``frontends.render.worker`` and asks it, one request after another.

It is started at the first request and again after it died, which every text may make it do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
from pathlib import Path

from frontends.client import Json

WAIT_S = 30.0  # for an answer; the process ends itself after two seconds of CPU time
_ANSWER_BYTES = 1 << 28
_SOURCE_ROOT = Path(__file__).parents[2]
_PASSED_ON = re.compile(r"PATH|LANG|LC_\w+|TMPDIR|TEMP|TMP|SYSTEMROOT|PYTHON\w+|LD_LIBRARY_PATH")


class RenderFailed(Exception):
    """The text can't be rendered as wanted: it takes too long, needs too much memory or makes too much HTML."""


class Restarted(Exception):
    """The process was started again since, and knows nothing of the running replies."""


class RenderProcess:
    """The process and the connection to it. Belongs to one event loop."""

    def __init__(self) -> None:
        self.starts = 0  # how often it was started: after a new start it knows no running reply
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Id of the running process."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start it, so that the first text needs not wait for that."""
        with contextlib.suppress(RenderFailed):
            async with self._turn:
                await self._running()

    async def ask(self, request: Json, starts: int | None = None) -> Json:
        """Send a request and return the answer.

        `starts`: the number of the start that the request was made for. Raises :class:`RenderFailed`, and
        :class:`Restarted` where `starts` is another one; a process that has ended is replaced for the next request. To
        cancel this ends the process, which all others would notice: shield what a leaving client must not cancel.
        """
        line = json.dumps(request).encode() + b"\n"
        async with self._turn:
            process = await self._running()
            if starts is not None and starts != self.starts:
                raise Restarted
            try:
                answer = await self._exchange(process, line)
            except BaseException:  # cancelled too: the answer to come would be taken for that to the next request
                await self._kill()
                raise
        if "error" in answer:
            raise RenderFailed(answer["error"])
        return answer

    async def close(self) -> None:
        """End it."""
        self._closed = True
        await self._kill()

    async def _exchange(self, process: asyncio.subprocess.Process, line: bytes) -> Json:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(WAIT_S):
                process.stdin.write(line)
                await process.stdin.drain()
                said = await process.stdout.readline()
        except (OSError, TimeoutError, ValueError) as err:  # ValueError: a longer answer than is allowed
            raise RenderFailed(type(err).__name__) from err
        if not said.endswith(b"\n"):
            raise RenderFailed("the process ended")
        answer: Json = json.loads(said)
        return answer

    async def _running(self) -> asyncio.subprocess.Process:
        if self._closed:
            raise RenderFailed("the server is shutting down")
        if self._process is None or self._process.returncode is not None:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "frontends.render.worker"),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                    limit=_ANSWER_BYTES,
                    cwd=_SOURCE_ROOT,
                    env={name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)},
                    start_new_session=True,  # Ctrl-C is for the server
                )
            except OSError as err:
                raise RenderFailed(f"no process can be started: {err.strerror}") from err
            self.starts += 1
            if self._closed:  # meanwhile
                await self._kill()
                raise RenderFailed("the server is shutting down")
        return self._process

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await asyncio.shield(process.wait())
