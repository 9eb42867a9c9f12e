"""A supervised worker process: started with a configuration, observed, ended with its parent.

The child's side is :mod:`app.engine.lifeline`. The parent writes one JSON line to the child's standard input (with keys
and paths, which must not be on the command line, where every user of the machine can read them); the child answers with
one JSON line when it is ready or has failed. Standard input then stays open: its end tells the child that its parent
has ended. All other communication is up to the caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
from collections import deque
from collections.abc import Mapping, Sequence

from app.engine.threads import OPENMP
from app.errors import WorkerFailed
from app.system.child_process import SOURCE_ROOT, environment, python_module

# Environment variables that llama.cpp and PyTorch need to find the GPU.
_PASSED_ON = r"(CUDA|NVIDIA|GGML|HIP|ROCR|HSA|VK|METAL)_\w+"

_LOG_PREFIX = re.compile(r"^[\d.:]+ [A-Z] ")  # time and level
_TAIL_LINES = 40
_LINE_CHARS = 500
_STOP_TIMEOUT_S = 2.0
_EXIT_DELAY_S = 1.0  # a connection breaks a moment before the process is reaped


def worker_environment(parent: Mapping[str, str]) -> dict[str, str]:
    """The environment of a worker: only necessary variables of `parent`, and OpenMP threads that yield their core."""
    return environment(parent, _PASSED_ON) | OPENMP


class WorkerProcess:
    """One run of ``python -m <module>``. Belongs to the event loop that started it; start it once."""

    def __init__(
        self,
        module: str,
        config: Mapping[str, object],
        *,
        start_timeout_s: float = 300.0,
        pass_fds: Sequence[int] = (),  # inherited by the child; the caller closes its own copies
        environment: Mapping[str, str] | None = None,  # in addition
    ) -> None:
        self.exited = asyncio.Event()
        self._module = module
        self._config = config
        self._start_timeout_s = start_timeout_s
        self._pass_fds = tuple(pass_fds)
        self._environment = dict(environment or {})
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._ready = False
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)

    @property
    def alive(self) -> bool:
        """Whether it has reported ready and not ended, as far as is known."""
        return self._ready and not self.exited.is_set()

    @property
    def pid(self) -> int | None:
        """The process id while it starts and runs."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; ``None`` while it runs."""
        return self._process.returncode if self._process else None

    async def start(self) -> dict[str, object]:
        """Start the process and wait until it reports ready; returns its answer.

        Raises :class:`WorkerFailed` when it ends, says that it cannot, or takes too long.
        """
        self._process = await asyncio.create_subprocess_exec(
            *python_module(self._module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=worker_environment(os.environ) | self._environment,
            pass_fds=self._pass_fds,
            cwd=SOURCE_ROOT,
        )
        self._watch = asyncio.create_task(self._watched(self._process), name=f"watch {self._module}")
        try:
            async with asyncio.timeout(self._start_timeout_s):
                return await self._handshake(self._process)
        except TimeoutError:
            await self.stop()
            raise WorkerFailed(
                f"The model's worker was not ready after {self._start_timeout_s:.0f} s. Is the disk very slow, or is "
                "the machine out of memory?",
                log=self.tail(),
            ) from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop the process by closing its input, then kill it. Idempotent."""
        if self._process is None or self._watch is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._watch), _STOP_TIMEOUT_S)
        if not self.exited.is_set():
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await asyncio.shield(self._watch)

    async def gone(self) -> bool:
        """Whether it has ended or ends within a moment; for use after its connection broke."""
        try:
            async with asyncio.timeout(_EXIT_DELAY_S):
                await self.exited.wait()
        except TimeoutError:
            return False
        return True

    def tail(self) -> str:
        """The last lines of its standard error."""
        return "\n".join(self._tail)

    def exit_reason(self) -> str:
        """The exit reason, as the end of a sentence that begins with the process's name."""
        code = self.exit_code
        if code is None:
            return "stopped answering"
        if code >= 0:
            return f"ended with exit code {code}"
        if -code == getattr(signal, "SIGKILL", 9):
            return "was killed (signal 9), most often because the machine ran out of memory"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"crashed ({name})"

    async def _handshake(self, process: asyncio.subprocess.Process) -> dict[str, object]:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(ConnectionError):  # it ended at once: reported below as a missing answer
            process.stdin.write(json.dumps({**self._config, "parent_pid": os.getpid()}).encode() + b"\n")
            await process.stdin.drain()
        answer = await process.stdout.readline()
        if not answer:
            await self.exited.wait()
            raise WorkerFailed(
                f"The model's worker {self.exit_reason()} while loading. {self._cause()}", log=self.tail()
            )
        reported: dict[str, object] = json.loads(answer)
        if "error" in reported:
            await self.exited.wait()
            raise WorkerFailed(f"The model could not be loaded: {reported['error']} {self._cause()}", log=self.tail())
        self._ready = True
        return reported

    def _cause(self) -> str:
        """The first line of its standard error: later ones are usually consequences."""
        return f"Its output: {_LOG_PREFIX.sub('', self._tail[0])}" if self._tail else ""

    async def _watched(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        await self._collect(process.stderr)
        await process.wait()
        self.exited.set()

    async def _collect(self, stream: asyncio.StreamReader) -> None:
        rest = b""
        while chunk := await stream.read(4096):
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-_LINE_CHARS:]
            self._tail.extend(text for line in lines if (text := _printable(line)))
        if text := _printable(rest):
            self._tail.append(text)


def _printable(line: bytes) -> str:
    return line[-_LINE_CHARS:].decode(errors="replace").strip()
