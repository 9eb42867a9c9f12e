"""Background fetches of a running server."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from app.errors import FetchCancelled, FetchFailed, ParleyError
from app.models.catalog import Catalog
from app.models.fetch_model import fetch_model
from app.models.hub_references import resolve
from app.models.manifest import Manifest
from app.weights.progress import Progress

log = logging.getLogger(__name__)

_MAX_RUNNING = 2  # more would only share the same bandwidth; the others wait
_LISTING_TIMEOUT_S = 10.0  # timeout for asking the Hub whether a model exists
_LISTING_RETRY_PAUSES_S = (0.5, 1.0)


@dataclass(slots=True)
class _Fetch:
    """One fetch. The thread writes ``progress`` and reads ``cancelled``; the rest belongs to the event loop."""

    progress: Progress
    cancelled: threading.Event = field(default_factory=threading.Event)
    task: asyncio.Task[None] | None = None


class Fetches:
    """Runs :func:`~app.models.fetch_model.fetch_model` in its own threads.

    Starting, cancelling, waiting and closing belong to the event loop's thread; queries may come from any thread.

    A model requested by its name on the Hub is not in the catalog until it is downloaded. Until then it is listed as
    ``arriving``; after a failure it stays so for a retry, and it is forgotten when cancelled.
    """

    def __init__(self, catalog: Catalog, on_change: Callable[[], None] = lambda: None) -> None:
        """`on_change` is called when a fetch starts, ends or is forgotten; not for progress."""
        self._catalog = catalog
        self._on_change = on_change
        self._running: dict[str, _Fetch] = {}
        self._errors: dict[str, ParleyError] = {}
        self._arriving: dict[str, Manifest] = {}
        self._lookup_lock = asyncio.Lock()  # one at a time: a new id must differ from all given before
        self._closing = threading.Event()
        self._threads = ThreadPoolExecutor(_MAX_RUNNING, thread_name_prefix="fetch")

    def start(self, model_id: str) -> None:
        """Start a fetch; does nothing if one is running. Raises :class:`~app.errors.ModelNotFound`."""
        manifest = self._arriving.get(model_id) or self._catalog.get(model_id)
        if model_id in self._running:
            return
        self._errors.pop(model_id, None)
        total = getattr(manifest.source, "download_bytes", None) or manifest.as_published().size_bytes
        fetch = self._running[model_id] = _Fetch(Progress("downloading", 0, total))
        fetch.task = asyncio.create_task(self._run(model_id, manifest, fetch), name=f"fetch {model_id}")
        self._on_change()

    async def start_by_name(self, name: str) -> str:
        """Start fetching ``hub:OWNER/NAME[:FILE][@REVISION]`` after looking it up on the Hub; returns the model's id.

        Raises as :func:`~app.models.hub_references.resolve` does, within 10 s.
        """
        async with self._lookup_lock:
            deadline = time.monotonic() + _LISTING_TIMEOUT_S

            def given_up() -> bool:
                return self._closing.is_set() or time.monotonic() > deadline

            others, store_dir = tuple(self._arriving.values()), self._catalog.store_dir
            ask = partial(resolve, name, store_dir, given_up, others=others, pauses_s=_LISTING_RETRY_PAUSES_S)
            try:
                manifest = await asyncio.to_thread(ask)
            except FetchCancelled as err:
                text = "Hugging Face did not answer in time. Check the network or set HF_ENDPOINT to a mirror."
                raise FetchFailed(text, reason="slow") from err
            model_id = manifest.base_id
            if not self._in_catalog(model_id):
                self._arriving[model_id] = manifest
            self.start(model_id)
            return model_id

    def arriving(self) -> tuple[Manifest, ...]:
        """Models requested by their Hub name that are not in the catalog: being downloaded, or failed."""
        return tuple(self._arriving.values())

    def running(self, model_id: str) -> bool:
        """Whether a fetch of this model is running or queued."""
        return model_id in self._running

    def any_running(self) -> bool:
        """Whether any fetch is running or queued."""
        return bool(self._running)

    def progress(self, model_id: str) -> Progress | None:
        """The progress of the fetch, or ``None`` if none is running."""
        fetch = self._running.get(model_id)
        return fetch.progress if fetch else None

    def last_error(self, model_id: str) -> ParleyError | None:
        """The error of the last fetch; ``None`` after success, cancellation or a new start."""
        return self._errors.get(model_id)

    def cancel(self, model_id: str) -> None:
        """Cancel a running fetch; it ends shortly after. If none is running, forget a failed ``arriving`` model."""
        if fetch := self._running.get(model_id):
            fetch.cancelled.set()
        elif self._arriving.pop(model_id, None) is not None:
            self._errors.pop(model_id, None)
            self._on_change()

    async def wait(self, model_id: str) -> None:
        """Wait until no fetch of this model is running. Raises the error of the last fetch, if it failed."""
        fetch = self._running.get(model_id)
        if fetch is not None and fetch.task is not None:
            await asyncio.shield(fetch.task)
        if (error := self._errors.get(model_id)) is not None:
            raise error

    async def close(self) -> None:
        """Cancel all fetches and wait for them to end. Idempotent."""
        self._closing.set()
        for fetch in self._running.values():
            fetch.cancelled.set()
        tasks = [fetch.task for fetch in self._running.values() if fetch.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, model_id: str, manifest: Manifest, fetch: _Fetch) -> None:
        def on_progress(progress: Progress) -> None:
            fetch.progress = progress

        work = partial(fetch_model, manifest, self._catalog.store_dir, on_progress, fetch.cancelled.is_set)
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except FetchCancelled:
            pass
        except ParleyError as err:
            self._errors[model_id] = err
        except OSError as err:  # of the store, outside of the download itself
            log.warning("Fetching %s failed: %s", model_id, err)
            text = f"The model store can't be used ({err.strerror}). Check its disk, then try again."
            self._errors[model_id] = FetchFailed(text, model_id=model_id)
        finally:
            await self._ended(model_id)

    async def _ended(self, model_id: str) -> None:
        try:
            await asyncio.to_thread(self._catalog.refresh)
        except OSError as err:  # the regular refresh tries again
            log.warning("The model store can't be read: %s", err)
        finally:
            if model_id not in self._errors or self._in_catalog(model_id):
                self._arriving.pop(model_id, None)
            del self._running[model_id]
            self._on_change()

    def _in_catalog(self, model_id: str) -> bool:
        return any(manifest.base_id == model_id for manifest in self._catalog.list())
