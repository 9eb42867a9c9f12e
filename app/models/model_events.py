"""Events for subscribers of the list of models: first the whole list, then its changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass

from app.models.memory import MemorySnapshot
from app.models.model_views import Listing, ModelView

MIN_INTERVAL_S = 0.25  # between two listings for one subscriber
_MEMORY_INTERVAL_S = 5.0  # after which the free memory is read again even if no model has changed


@dataclass(frozen=True, slots=True)
class ModelsListed:
    """All models: the first event of a subscription."""

    listing: Listing


@dataclass(frozen=True, slots=True)
class ModelChanged:
    """A model was added or has changed."""

    model: ModelView


@dataclass(frozen=True, slots=True)
class ModelRemoved:
    """A model was removed."""

    model_id: str


@dataclass(frozen=True, slots=True)
class MemoryChanged:
    """The memory available for models has changed."""

    memory: MemorySnapshot


ModelEvent = ModelsListed | ModelChanged | ModelRemoved | MemoryChanged


class ModelEvents:
    """Wakes and serves the subscribers of one server. Not thread-safe: belongs to its event loop."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._closed = False

    def notify(self) -> None:
        """Wake the subscribers: something may have changed."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def close(self) -> None:
        """End all subscriptions, when the server shuts down."""
        self._closed = True
        self.notify()

    async def subscribe(
        self, get_listing: Callable[[], Awaitable[Listing]], has_progress: Callable[[], bool], heartbeat_s: float
    ) -> AsyncGenerator[ModelEvent | None, None]:
        """Yield events until :meth:`close`; ``None`` is a heartbeat after `heartbeat_s` without events.

        `get_listing` makes the listing for this subscriber. It is called every quarter of a second while `has_progress`
        returns true, else after changes.
        """
        loop = asyncio.get_running_loop()
        changed = self._changed  # before the listing: changes made during it are reported by the next one
        known = await get_listing()
        yield ModelsListed(known)
        last_event_s = loop.time()
        while not self._closed:
            await asyncio.sleep(MIN_INTERVAL_S)
            if not has_progress():
                await _wait_for(changed, min(heartbeat_s, _MEMORY_INTERVAL_S))
            changed = self._changed
            now = await get_listing()
            for event in differences(known, now):
                last_event_s = loop.time()
                yield event
            known = now
            if loop.time() - last_event_s >= heartbeat_s:
                last_event_s = loop.time()
                yield None


def differences(before: Listing, after: Listing) -> Iterator[ModelEvent]:
    """The events that turn `before` into `after`, except for the order of the models."""
    if [problem.message for problem in before.problems] != [problem.message for problem in after.problems]:
        yield ModelsListed(after)
        return
    known = {view.manifest.base_id: view for view in before.models}
    for view in after.models:
        if known.pop(view.manifest.base_id, None) != view:
            yield ModelChanged(view)
    for model_id in known:
        yield ModelRemoved(model_id)
    if before.memory != after.memory:
        yield MemoryChanged(after.memory)


async def _wait_for(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
