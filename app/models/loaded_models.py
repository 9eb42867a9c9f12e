"""What the models' use-cases must know of the models in memory. The engines' pool implements it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from app.errors import MissingExtra, ParleyError, UnsupportedRequest

LoadState = Literal["unloaded", "loading", "loaded", "failed"]


class LoadedModels(Protocol):
    """The models in memory. What only tells may be called from any thread, the rest belongs to the event loop."""

    def state(self, model_id: str) -> LoadState:
        """Where the model is; of a ``failed`` one :meth:`error` tells more."""

    def error(self, model_id: str) -> ParleyError | None:
        """Why the last loading failed, until it is tried again."""

    def missing_extra(self, engine: str) -> MissingExtra | None:
        """What must be installed before a model of `engine` can be loaded. Looks at the disk."""

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener`, on the event loop, whenever the state of a model has changed."""

    async def load(self, reference: str) -> None:
        """Load the model. Raises what says why it can't be."""

    async def unload(self, reference: str) -> None:
        """Free the model's memory. Raises :class:`~app.errors.ModelBusy` while it is answering."""


class NothingLoaded:
    """For programs that hold no models in memory, such as the command line."""

    def state(self, model_id: str) -> LoadState:
        """Always unloaded."""
        return "unloaded"

    def error(self, model_id: str) -> ParleyError | None:
        """None."""
        return None

    def missing_extra(self, engine: str) -> MissingExtra | None:
        """Nothing is said about engines that nobody is going to use."""
        return None

    def on_change(self, listener: Callable[[], None]) -> None:
        """Nothing ever changes."""

    async def load(self, reference: str) -> None:
        """Raises :class:`UnsupportedRequest`."""
        raise UnsupportedRequest("Only a running server loads models.", field="model_id")

    async def unload(self, reference: str) -> None:
        """Nothing is loaded."""
