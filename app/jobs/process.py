"""One run of a job in a process of its own. The child's side is :mod:`app.jobs.child`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.domain.jobs import JobError, JobOutcome, JobProgress, JobState
from app.errors import JobFailed
from app.jobs.context import Places
from app.jobs.logs import open_log
from app.system.child_process import SOURCE_ROOT, python_module

_PATIENCE_S = 5.0  # for a child that is asked to stop; then it is killed
_MAX_LINE_BYTES = 8 << 20
_KILLED = -9


class JobProcess:
    """Runs a job once. Belongs to the event loop."""

    def __init__(
        self,
        module: str,
        parameters: Mapping[str, Any],
        places: Places,
        log_path: Path,
        on_progress: Callable[[JobProgress], None],
    ) -> None:
        self._request = {
            "module": module,
            "parameters": dict(parameters),
            "places": asdict(places),
            "folder": str(Path.cwd()),
        }
        self._log_path = log_path
        self._on_progress = on_progress
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    def stop(self) -> None:
        """Ask it to stop; it is killed if it does not within five seconds. Idempotent."""
        if self._stopping:
            return
        self._stopping = True
        if self._process is not None:
            self._end_input()

    async def run(self) -> JobOutcome:
        """Run the job to its end. After :meth:`stop` the outcome is ``cancelled`` unless it was done before."""
        try:
            self._process = await self._start()
        except OSError as err:
            return failed(f"It could not be started: {err.strerror or err}. Check the disk and the memory.")
        if self._stopping:
            self._end_input()
        last: dict[str, Any] = {}
        try:
            async for message in self._messages(self._process):
                if progress := message.get("progress"):
                    self._on_progress(JobProgress(**progress))
                else:
                    last = message
        except ValueError as err:  # more than a line may hold
            self._process.kill()
            return failed(f"Its process answered what can't be read: {err}.")
        return self._outcome(last, await self._process.wait())

    async def _start(self) -> asyncio.subprocess.Process:
        log = await asyncio.to_thread(open_log, self._log_path)
        try:
            process = await asyncio.create_subprocess_exec(
                *python_module("app.jobs.child"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=dict(os.environ),
                cwd=SOURCE_ROOT,
                limit=_MAX_LINE_BYTES,
                start_new_session=True,  # Ctrl-C reaches only us, and we stop it
            )
        finally:
            await asyncio.to_thread(log.close)
        assert process.stdin is not None
        process.stdin.write(json.dumps(self._request, default=str).encode() + b"\n")
        return process

    async def _messages(self, process: asyncio.subprocess.Process) -> AsyncIterator[dict[str, Any]]:
        assert process.stdout is not None
        async for line in process.stdout:
            yield json.loads(line)

    def _outcome(self, last: Mapping[str, Any], exit_code: int) -> JobOutcome:
        if "done" in last:
            return JobOutcome(JobState.DONE, result=last["done"])
        if self._stopping or "cancelled" in last:
            return JobOutcome(JobState.CANCELLED)
        if "failed" in last:
            return JobOutcome(JobState.FAILED, error=JobError(**last["failed"]))
        reason = f"exit code {exit_code}"
        if exit_code == _KILLED:
            reason = "it was killed, most often because the machine ran out of memory"
        return failed(f"Its process ended unexpectedly: {reason}. Its log may say more.", exit_code=exit_code)

    def _end_input(self) -> None:
        process = self._process
        assert process is not None
        if process.stdin is not None:
            process.stdin.close()
        asyncio.get_running_loop().call_later(_PATIENCE_S, _kill, process)


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


def failed(message: str, **details: object) -> JobOutcome:
    """The outcome of a job that could not say itself why it failed."""
    return JobOutcome(JobState.FAILED, error=JobError(**JobFailed(message, **details).payload()))  # type: ignore[arg-type]
