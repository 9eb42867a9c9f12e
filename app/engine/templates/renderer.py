"""Renders chat templates in the process :mod:`app.engine.templates.sandbox`, one at a time, and restarts it if needed.

A rendering takes well under a millisecond, so one process serves all models. When it is killed because a template did
not terminate, other requests wait for the second or two of a restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from app.engine.worker_process import WorkerProcess
from app.errors import WorkerFailed

_MODULE = "app.engine.templates.sandbox"
_START_TIMEOUT_S = 30.0
_ANSWER_TIMEOUT_S = 10.0  # more than the sandbox's CPU limit, since it may wait for a core
_LONGEST_ANSWER = 1 << 28  # bytes; the sandbox has a lower limit of its own
T = TypeVar("T")
_OUT_OF_TIME = -getattr(signal, "SIGXCPU", 0)


class TemplateRefused(Exception):
    """The template is invalid or raised an error; the message is its own, or says what is wrong."""


class TemplateForbidden(Exception):
    """The template tried something forbidden: to open a file, to access Python's internals."""


class TemplateEndless(Exception):
    """The template exceeded a limit: time, memory, length or nesting."""


class TemplateRenderer:
    """Manages one sandbox, started on first use. Belongs to one event loop; close it before the loop ends."""

    def __init__(self) -> None:
        self._sandbox: _Sandbox | None = None
        self._turn = asyncio.Lock()
        self._starting: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The sandbox's process id; ``None`` before it is started."""
        return self._sandbox.child.pid if self._sandbox else None

    def warm_up(self) -> None:
        """Start the sandbox in the background."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._warmed_up(), name="start the template sandbox")

    async def render(
        self, template: str, messages: Sequence[Mapping[str, object]], variables: Mapping[str, object] | None = None
    ) -> str:
        """Render `template` with `messages` (``{"role", "content"}``) to a prompt for a reply.

        A content is a text, or a list of parts ``{"type": "text", "text": …}``.
        `variables`: other variables of the template, mostly special tokens by name, such as ``bos_token``.
        Raises :class:`TemplateRefused`, :class:`TemplateForbidden`, :class:`TemplateEndless`, and
        :class:`~app.errors.WorkerFailed` where no process can be started.
        """
        request = {"template": template, "messages": list(messages), "variables": dict(variables or {})}
        line = json.dumps(request, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
        async with self._turn:
            answer = await _completed(self._asked(line))
            if answer is None:
                raise TemplateEndless("it crashes the process that renders it")
        if "endless" in answer:
            raise TemplateEndless(answer["endless"])
        if "forbidden" in answer:
            raise TemplateForbidden(answer["forbidden"])
        if "refused" in answer:
            raise TemplateRefused(answer["refused"])
        return answer["text"]

    async def close(self) -> None:
        """Stop the sandbox for good. Idempotent."""
        self._closed = True
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        async with self._turn:
            await self._end()

    async def _warmed_up(self) -> None:
        with contextlib.suppress(WorkerFailed):  # the next rendering raises it, if it still fails then
            async with self._turn:
                await self._ready()

    async def _asked(self, line: bytes) -> dict[str, str] | None:
        """The sandbox's answer; ``None`` when it died twice: the first time may have had another reason."""
        answer = await self._answer(line) or await self._answer(line)
        if answer is not None and "endless" in answer:
            await self._end()
        return answer

    async def _answer(self, line: bytes) -> dict[str, str] | None:
        """The sandbox's answer; ``None`` when it died for a reason other than the template."""
        sandbox = await self._ready()
        try:
            return await sandbox.ask(line)
        except OSError:
            exit_code = await sandbox.ended()
            await self._end()
            if exit_code == _OUT_OF_TIME:
                raise TemplateEndless("it ran for more than a second") from None
            return None
        except TimeoutError:
            await self._end()
            raise TemplateEndless(f"it was not done after {_ANSWER_TIMEOUT_S:.0f} s") from None
        except BaseException:  # cancelled: end the process, since its answer would be read by the next request
            await self._end()
            raise

    async def _ready(self) -> _Sandbox:
        if self._closed:
            raise WorkerFailed("Parley is shutting down. Restart it, then try again.")
        if self._sandbox is not None and not self._sandbox.child.alive:
            await self._end()
        if self._sandbox is None:
            self._sandbox = await _Sandbox.started()
        return self._sandbox

    async def _end(self) -> None:
        sandbox, self._sandbox = self._sandbox, None
        if sandbox is not None:
            await sandbox.end()


async def _completed(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is completed even if the caller is cancelled; only a second time cancels it too.

    A client that leaves while its prompt is rendered must not end the sandbox, for which all others would wait.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    finally:
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()


class _Sandbox:
    """One run of the sandbox process, and the connection to it."""

    def __init__(self, child: WorkerProcess, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.child = child
        self._reader = reader
        self._writer = writer

    @classmethod
    async def started(cls) -> _Sandbox:
        """Start the process. Raises :class:`~app.errors.WorkerFailed`."""
        ours, theirs = socket.socketpair()
        child: WorkerProcess | None = None
        try:
            with theirs:
                fd = theirs.fileno()
                child = WorkerProcess(_MODULE, {"fd": fd}, start_timeout_s=_START_TIMEOUT_S, pass_fds=(fd,))
                await child.start()
            reader, writer = await asyncio.open_unix_connection(sock=ours, limit=_LONGEST_ANSWER)
        except BaseException:  # cancelled too: closing during a warm-up must leave no process behind
            ours.close()
            if child is not None:
                await child.stop()
            raise
        return cls(child, reader, writer)

    async def ask(self, line: bytes) -> dict[str, Any]:
        """Send a request and return the answer. Raises :class:`ConnectionError` and :class:`TimeoutError`."""
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            self._writer.write(line)
            answer = await self._reader.readline()
        if not answer.endswith(b"\n"):
            raise ConnectionResetError("the sandbox closed the connection")
        said: dict[str, Any] = json.loads(answer.decode("utf-8", "surrogatepass"))
        return said

    async def ended(self) -> int | None:
        """The exit code, after the process closed the connection."""
        await self.child.gone()
        return self.child.exit_code

    async def end(self) -> None:
        """Kill the process: it may be computing, and has no state to save."""
        self._writer.close()
        if self.child.alive and (pid := self.child.pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self.child.stop()
