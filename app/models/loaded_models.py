"""Interface to the models in memory, as the model service needs it; the engine pool implements it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from app.errors import MissingExtra, ParleyError, UnsupportedRequest

LoadState = Literal["unloaded", "loading", "loaded", "failed"]


class LoadedModels(Protocol):
    """The models in memory. Queries may come from any thread; the rest belongs to the event loop."""

    def state(self, model_id: str) -> LoadState:
        """The load state of a model; for ``failed``, :meth:`error` gives the reason."""

    def load_share(self, model_id: str) -> float | None:
        """How much of a model that is being loaded is in memory, 0 … 0.99; ``None`` if unknown. Reads a file."""

    def any_loading(self) -> bool:
        """Whether any model is being loaded."""

    def error(self, model_id: str) -> ParleyError | None:
        """The error of the last load attempt, until the next one."""

    def missing_extra(self, engine: str) -> MissingExtra | None:
        """The optional package that must be installed to use `engine`, or ``None``. Reads the disk."""

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` on the event loop whenever the state of a model changes."""

    async def load(self, reference: str) -> None:
        """Load the model. Raises a :class:`ParleyError` that gives the reason if it can't be loaded."""

    async def unload(self, reference: str) -> None:
        """Free the model's memory. Raises :class:`~app.errors.ModelBusy` while it is generating."""


class NothingLoaded:
    """The implementation for programs without models in memory, such as the command line."""

    def state(self, model_id: str) -> LoadState:
        """Always unloaded."""
        return "unloaded"

    def load_share(self, model_id: str) -> float | None:
        """None."""
        return None

    def any_loading(self) -> bool:
        """Nothing is."""
        return False

    def error(self, model_id: str) -> ParleyError | None:
        """None."""
        return None

    def missing_extra(self, engine: str) -> MissingExtra | None:
        """None: no engine is going to be used."""
        return None

    def on_change(self, listener: Callable[[], None]) -> None:
        """Nothing ever changes."""

    async def load(self, reference: str) -> None:
        """Raises :class:`UnsupportedRequest`."""
        raise UnsupportedRequest("Only a running server loads models.", field="model_id")

    async def unload(self, reference: str) -> None:
        """Nothing is loaded."""
