"""Interface to the running downloads, as the list of models needs it; :mod:`app.jobs.model_jobs` implements it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from app.errors import ParleyError
from app.models.manifest import Manifest
from app.weights.progress import Progress


class Fetches(Protocol):
    """The downloads of models. Queries may come from any thread; the rest belongs to the event loop.

    A model requested by its name on the Hub is not in the catalog until it is downloaded. Until then it is
    ``arriving``; after a failure or an interruption it stays so for a retry, and it is forgotten when cancelled.
    """

    def arriving(self) -> tuple[Manifest, ...]:
        """Models requested by their Hub name that are not in the catalog: being downloaded, failed or interrupted."""

    def any_running(self) -> bool:
        """Whether any download is running or queued."""

    def progress(self, model_id: str) -> Progress | None:
        """The progress of a model's download, or ``None`` if none is running or queued."""

    def last_error(self, model_id: str) -> ParleyError | None:
        """The error of a model's last download; ``None`` after success, cancellation or a new start."""

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` on the event loop whenever a download starts, ends or is forgotten; not for progress."""


class NoFetches:
    """The implementation for programs that download in the foreground, such as the command line."""

    def arriving(self) -> tuple[Manifest, ...]:
        """None."""
        return ()

    def any_running(self) -> bool:
        """No."""
        return False

    def progress(self, model_id: str) -> Progress | None:
        """None."""
        return None

    def last_error(self, model_id: str) -> ParleyError | None:
        """None."""
        return None

    def on_change(self, listener: Callable[[], None]) -> None:
        """Nothing ever changes."""
