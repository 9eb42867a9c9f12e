"""The fetches of a running server: started by whoever asks, owned by the application, watched by anyone."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from app.errors import FetchCancelled, ParleyError
from app.registry.catalog import Catalog
from app.registry.fetching.pull import pull
from app.registry.manifest import Manifest
from app.registry.progress import Progress

_AT_ONCE = 2  # more would only share the same line; the others wait


@dataclass(slots=True)
class _Job:
    """One fetch. The thread writes ``progress`` and reads ``cancelled``; the rest belongs to the event loop."""

    progress: Progress
    cancelled: threading.Event = field(default_factory=threading.Event)
    task: asyncio.Task[None] | None = None


class Pulls:
    """Runs :func:`pull` in threads of its own. All methods are for the event loop's thread."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._jobs: dict[str, _Job] = {}
        self._errors: dict[str, ParleyError] = {}
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pull")

    def start(self, model_id: str) -> None:
        """Begin a fetch; nothing happens where one runs. Raises :class:`~app.errors.ModelNotFound`."""
        manifest = self._catalog.get(model_id)
        if model_id in self._jobs:
            return
        self._errors.pop(model_id, None)
        total = getattr(manifest.source, "download_bytes", None) or manifest.size_bytes
        job = self._jobs[model_id] = _Job(Progress("downloading", 0, total))
        job.task = asyncio.create_task(self._run(manifest, job), name=f"pull {model_id}")

    def running(self, model_id: str) -> bool:
        """Whether a fetch of this model runs or waits its turn."""
        return model_id in self._jobs

    def progress(self, model_id: str) -> Progress | None:
        """How far the fetch is, or ``None`` when none runs."""
        job = self._jobs.get(model_id)
        return job.progress if job else None

    def last_error(self, model_id: str) -> ParleyError | None:
        """Why the last fetch failed; ``None`` after a success, a cancel, or a new start."""
        return self._errors.get(model_id)

    def cancel(self, model_id: str) -> None:
        """Ask a fetch to end; it does within a moment. Nothing happens where none runs."""
        if job := self._jobs.get(model_id):
            job.cancelled.set()

    async def wait(self, model_id: str) -> None:
        """Return when no fetch of this model runs any more. Raises what it failed with, if it did."""
        job = self._jobs.get(model_id)
        if job is not None and job.task is not None:
            await asyncio.shield(job.task)
        if (error := self._errors.get(model_id)) is not None:
            raise error

    async def close(self) -> None:
        """Cancel everything and wait for its end. Idempotent."""
        for job in self._jobs.values():
            job.cancelled.set()
        tasks = [job.task for job in self._jobs.values() if job.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, manifest: Manifest, job: _Job) -> None:
        def on_progress(progress: Progress) -> None:
            job.progress = progress

        loop = asyncio.get_running_loop()
        store_dir = self._catalog.store_dir
        try:
            await loop.run_in_executor(self._threads, pull, manifest, store_dir, on_progress, job.cancelled.is_set)
        except FetchCancelled:
            pass
        except ParleyError as err:
            self._errors[manifest.id] = err
        finally:
            del self._jobs[manifest.id]
