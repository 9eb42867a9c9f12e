"""Downloads, imports and conversions of models in the background of a server: starts such jobs, and follows them."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from app.domain.jobs import RESUMABLE, Job, JobProgress, JobState
from app.errors import FetchCancelled, FetchFailed, InvalidImport, InvalidManifest, ParleyError, error_of
from app.jobs.service import JobService
from app.models.catalog import Catalog
from app.models.gguf_conversion import ConvertTo, convertible_folder
from app.models.hub_references import resolve
from app.models.manifest import Manifest
from app.models.manifest_reader import parse_manifest
from app.models.manifest_writer import manifest_text
from app.weights.progress import Progress

log = logging.getLogger(__name__)

FETCH, IMPORT, CONVERT = "fetch", "import", "convert"

_LISTING_TIMEOUT_S = 10.0  # timeout for asking the Hub whether a model exists
_LISTING_RETRY_PAUSES_S = (0.5, 1.0)


class ModelJobs:
    """Implements :class:`app.models.fetches.Fetches` with jobs of the kind ``fetch``.

    Queries may come from any thread; the rest belongs to the event loop. A model has at most one unfinished download:
    starting it again resumes that job.
    """

    def __init__(self, jobs: JobService, catalog: Catalog) -> None:
        self._jobs, self._catalog = jobs, catalog
        self._fetches: dict[str, Job] = {}  # the last of each model, by its id
        self._arriving: dict[str, Manifest] = {}
        self._listeners: list[Callable[[], None]] = []
        self._start_lock = asyncio.Lock()  # one at a time: a second start must find the first
        self._lookup_lock = asyncio.Lock()  # one at a time: a new id must differ from all given before
        self._closing = threading.Event()
        jobs.on_change(self._follow)
        jobs.before_end(self._refresh_catalog)

    async def open(self) -> None:
        """Find the unfinished downloads of models that the catalog does not know."""
        for job in await self._jobs.unfinished(FETCH):
            if "manifest" in job.parameters and not self._in_catalog(job.parameters["model_id"]):
                self._follow(job)

    def close(self) -> None:
        """End running look-ups."""
        self._closing.set()

    # -- starting and cancelling ---------------------------------------------------------------------

    async def start_fetch(self, user_id: str, reference: str) -> Job:
        """Start downloading a model, or go on with its unfinished download. Raises :class:`ModelNotFound`."""
        manifest = self._arriving.get(reference) or self._catalog.get(reference)
        return await self._start_fetch(user_id, manifest)

    async def start_fetch_by_name(self, user_id: str, name: str) -> str:
        """Start downloading ``hub:OWNER/NAME[:FILE][@REVISION]`` after a look at the Hub; returns the model's id.

        Raises as :func:`~app.models.hub_references.resolve` does, within 10 s.
        """
        async with self._lookup_lock:
            manifest = await asyncio.to_thread(self._look_up, name)
            await self._start_fetch(user_id, manifest)
            return manifest.base_id

    async def cancel_fetch(self, reference: str) -> None:
        """Cancel the download of a model, or forget one by name that failed. Raises :class:`ModelNotFound`."""
        manifest = self._arriving.get(reference) or self._catalog.get(reference)
        job = self._fetches.get(manifest.base_id)
        if job is not None and job.is_active:
            await self._jobs.cancel(job.user_id, job.id)
        elif job is not None and manifest.base_id in self._arriving:
            await self._jobs.forget(job.user_id, job.id)

    async def convert(self, user_id: str, reference: str, to: str) -> Job:
        """Start converting a downloaded model to GGUF, unless that is running. Raises as `convertible_folder` does."""
        manifest = self._catalog.get(reference)
        await asyncio.to_thread(convertible_folder, manifest, self._catalog.files)
        parameters = {"model_id": manifest.base_id, "title": manifest.title, "to": to}
        async with self._start_lock:
            for job in await self._jobs.unfinished(CONVERT):
                if job.is_active and (job.user_id, job.parameters) == (user_id, parameters):
                    return job
            return await self._jobs.add(user_id, CONVERT, parameters)

    async def import_files(self, user_id: str, source: Path, name: str, base: str, to: ConvertTo) -> Job:
        """Start importing a model or adapter from `source`. Raises :class:`InvalidImport` if there is nothing."""
        source = await asyncio.to_thread(_existing, source)
        parameters = {"source": str(source), "name": name, "title": name or source.name, "base": base, "to": to}
        return await self._jobs.add(user_id, IMPORT, parameters)

    # -- Fetches -------------------------------------------------------------------------------------

    def arriving(self) -> tuple[Manifest, ...]:
        """See :class:`app.models.fetches.Fetches`."""
        return tuple(self._arriving.values())

    def any_running(self) -> bool:
        """See :class:`app.models.fetches.Fetches`."""
        return any(job.is_active for job in tuple(self._fetches.values()))

    def progress(self, model_id: str) -> Progress | None:
        """See :class:`app.models.fetches.Fetches`."""
        job = self._fetches.get(model_id)
        if job is None or not job.is_active or (now := self._jobs.progress(job)) is None:
            return None
        return Progress(now.phase, now.done, now.total)  # type: ignore[arg-type]  # a phase of app.weights

    def last_error(self, model_id: str) -> ParleyError | None:
        """See :class:`app.models.fetches.Fetches`."""
        job = self._fetches.get(model_id)
        if job is None or job.error is None:
            return None
        return error_of(job.error.code, job.error.message, job.error.details)

    def on_change(self, listener: Callable[[], None]) -> None:
        """See :class:`app.models.fetches.Fetches`."""
        self._listeners.append(listener)

    # -- private -------------------------------------------------------------------------------------

    async def _start_fetch(self, user_id: str, manifest: Manifest) -> Job:
        async with self._start_lock:
            model_id = manifest.base_id
            last = self._fetches.get(model_id)
            if last is not None and last.is_active:
                return last
            if last is not None and last.state in RESUMABLE and last.user_id == user_id:
                return await self._jobs.resume(user_id, last.id)
            total = getattr(manifest.source, "download_bytes", None) or manifest.as_published().size_bytes
            parameters: dict[str, Any] = {"model_id": model_id, "title": manifest.title}
            if not self._in_catalog(model_id):
                parameters["manifest"] = manifest_text(manifest)
            return await self._jobs.add(user_id, FETCH, parameters, JobProgress("downloading", 0, total))

    def _look_up(self, name: str) -> Manifest:
        deadline = time.monotonic() + _LISTING_TIMEOUT_S

        def given_up() -> bool:
            return self._closing.is_set() or time.monotonic() > deadline

        others, store_dir = tuple(self._arriving.values()), self._catalog.store_dir
        ask = partial(resolve, name, store_dir, given_up, others=others, pauses_s=_LISTING_RETRY_PAUSES_S)
        try:
            return ask()
        except FetchCancelled as err:
            text = "Hugging Face did not answer in time. Check the network or set HF_ENDPOINT to a mirror."
            raise FetchFailed(text, reason="slow") from err

    def _follow(self, job: Job, forgotten: bool = False) -> None:
        """Note the new state of a download."""
        if job.kind != FETCH:
            return
        model_id = job.parameters["model_id"]
        if forgotten:
            if (last := self._fetches.get(model_id)) is not None and last.id == job.id:
                del self._fetches[model_id]
                self._arriving.pop(model_id, None)
        else:
            self._fetches[model_id] = job
            self._note_arriving(model_id, job)
        for listener in self._listeners:
            listener()

    def _note_arriving(self, model_id: str, job: Job) -> None:
        text = job.parameters.get("manifest")
        if text is None or job.state in (JobState.DONE, JobState.CANCELLED) or self._in_catalog(model_id):
            self._arriving.pop(model_id, None)
        elif model_id not in self._arriving:
            try:
                self._arriving[model_id] = parse_manifest(text, model_id)
            except InvalidManifest as err:  # written by another version
                log.warning("The unfinished download of %s can't be listed: %s", model_id, err.message)

    async def _refresh_catalog(self, job: Job) -> None:
        if job.kind not in (FETCH, IMPORT, CONVERT):
            return
        try:
            await asyncio.to_thread(self._catalog.refresh)
        except OSError as err:  # the regular refresh tries again
            log.warning("The model store can't be read: %s", err)

    def _in_catalog(self, model_id: str) -> bool:
        return any(manifest.base_id == model_id for manifest in self._catalog.list())


def _existing(source: Path) -> Path:
    path = source.expanduser()
    if not path.is_absolute() or not path.exists():
        raise InvalidImport(f"{source} is not on the server's disk. Name a folder or file with its whole path.")
    return path
