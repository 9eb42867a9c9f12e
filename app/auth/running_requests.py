"""Ends requests, event streams above all, whose session or key is revoked while they run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from app.domain.accounts import Principal
from app.errors import ParleyError
from app.store import Repositories, Store

LOOKS_EVERY_S = 0.5

log = logging.getLogger(__name__)


class RunningRequests:
    """The requests that are running, by session or key. The store is asked, since a command may have revoked one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tasks: dict[Principal, set[asyncio.Task[object]]] = {}
        self._ended: set[asyncio.Task[object]] = set()
        self._watch: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for revoked sessions and keys, twice a second while there are requests."""
        self._watch = asyncio.create_task(self._look_again(), name="look for revoked sessions and keys")

    async def close(self) -> None:
        """Stop looking."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch

    @contextmanager
    def entered(self, principal: Principal) -> Iterator[None]:
        """Around a request of `principal`: it is cancelled, and ends quietly, when that is revoked."""
        task = asyncio.current_task()
        if task is None or principal.credential_id is None:
            yield
            return
        tasks = self._tasks.setdefault(principal, set())
        tasks.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if task not in self._ended:
                raise
            task.uncancel()
        finally:
            self._ended.discard(task)
            tasks.discard(task)
            if not tasks and self._tasks.get(principal) is tasks:
                del self._tasks[principal]

    async def end_revoked(self) -> None:
        """Cancel the requests of sessions and keys that are not valid any more."""
        running = list(self._tasks)
        if not running:
            return
        valid = await self._store.read(lambda r: _valid(r, running))
        for principal in running:
            if principal not in valid:
                for task in list(self._tasks.get(principal, ())):
                    if task not in self._ended:
                        self._ended.add(task)
                        task.cancel()

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(LOOKS_EVERY_S)
            try:
                await self.end_revoked()
            except ParleyError as err:  # the database can't be read now
                log.warning("revoked sessions can't be looked for: %s", err.message)


def _valid(r: Repositories, running: list[Principal]) -> set[Principal]:
    sessions = r.sessions.valid([p.session_id for p in running if p.session_id])
    keys = r.api_keys.valid([p.key_id for p in running if p.key_id])
    return {p for p in running if p.session_id in sessions or p.key_id in keys}
