"""Events for those who follow the list of models: the whole list first, then what changes in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass

from app.models.memory import MemorySnapshot
from app.models.model_views import Listing, ModelView

MIN_INTERVAL_S = 0.25  # between two looks at the models for one subscriber
_MEMORY_INTERVAL_S = 5.0  # after which the machine's free memory is read again, though no model has changed


@dataclass(frozen=True, slots=True)
class ModelsListed:
    """All models: what a subscriber starts from."""

    listing: Listing


@dataclass(frozen=True, slots=True)
class ModelChanged:
    """A model is new, or something about it has changed."""

    model: ModelView


@dataclass(frozen=True, slots=True)
class ModelRemoved:
    """A model is not there any more."""

    model_id: str


@dataclass(frozen=True, slots=True)
class MemoryChanged:
    """How much memory models may take has changed."""

    memory: MemorySnapshot


ModelEvent = ModelsListed | ModelChanged | ModelRemoved | MemoryChanged


class ModelEvents:
    """The subscribers of one server. Belongs to its event loop."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._closed = False

    def notify(self) -> None:
        """Wake the subscribers: something may have changed."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def close(self) -> None:
        """End all subscriptions: the server shuts down."""
        self._closed = True
        self.notify()

    async def subscribe(
        self, look: Callable[[], Awaitable[Listing]], is_moving: Callable[[], bool], heartbeat_s: float
    ) -> AsyncGenerator[ModelEvent | None, None]:
        """Events for ever; ``None`` is a heartbeat after `heartbeat_s` of silence.

        `look` makes the listing that this subscriber is to see. While `is_moving`, it is made every quarter of a
        second, else when something has changed.
        """
        loop = asyncio.get_running_loop()
        changed = self._changed  # before the look: what changes during it is told afterwards
        known = await look()
        yield ModelsListed(known)
        told_s = loop.time()
        while not self._closed:
            await asyncio.sleep(MIN_INTERVAL_S)
            if not is_moving():
                await _set_within(changed, min(heartbeat_s, _MEMORY_INTERVAL_S))
            changed = self._changed
            now = await look()
            for event in differences(known, now):
                told_s = loop.time()
                yield event
            known = now
            if loop.time() - told_s >= heartbeat_s:
                told_s = loop.time()
                yield None


def differences(before: Listing, after: Listing) -> Iterator[ModelEvent]:
    """What turns `before` into `after`, but for the order of the models."""
    known = {view.manifest.base_id: view for view in before.models}
    for view in after.models:
        if known.pop(view.manifest.base_id, None) != view:
            yield ModelChanged(view)
    for model_id in known:
        yield ModelRemoved(model_id)
    if before.memory != after.memory:
        yield MemoryChanged(after.memory)


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
