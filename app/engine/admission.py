"""The admission queue in front of every engine: fair between users, bounded, and limited to the engine's slots.

Users take turns (round robin over those who wait), each user's own requests keep their order. The queue knows
nothing of engines and prompts.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType

from app.engine.quota import UNLIMITED, Quota
from app.errors import QueueFull

_MAX_DURATIONS = 16  # recent replies whose durations are averaged
_DEFAULT_REPLY_S = 10.0  # the assumed duration of a reply before one was measured
_MAX_RETRY_S = 120
_SHARES = 4  # of the places to wait in, where there are several people


class Ticket:
    """One request's place: waiting (``position`` 1 is next), admitted (0), or given up.

    Use it as a context manager: leaving frees the place at once, wherever the request was.
    """

    def __init__(self, queue: AdmissionQueue, user_id: str) -> None:
        self.user_id = user_id
        self.position = 0
        self.released = False
        self.admitted_at: float | None = None
        self._queue = queue
        self._changed = asyncio.Event()

    @property
    def admitted(self) -> bool:
        """Whether the request holds a slot."""
        return self.admitted_at is not None and not self.released

    async def positions(self) -> AsyncIterator[int]:
        """The place in the queue, again whenever it changes, until the request is admitted or given up."""
        told = 0
        while not self.admitted and not self.released:
            self._changed.clear()
            if self.position != told:
                told = self.position
                yield told
                continue
            await self._changed.wait()

    def release(self) -> None:
        """Leave the queue or free the slot. Idempotent."""
        if not self.released:
            self.released = True
            self._queue._leave(self)
            self._changed.set()

    def __enter__(self) -> Ticket:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()

    def _move(self, position: int) -> None:
        if position != self.position or position == 0:
            self.position = position
            self._changed.set()


class AdmissionQueue:
    """Admits `slots` requests, lets `max_waiting` wait and refuses more. Belongs to one event loop.

    Where `quota` says that there are several people, one has at most a quarter of the places to wait in.
    """

    def __init__(
        self,
        slots: int,
        max_waiting: int,
        quota: Quota = UNLIMITED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.slots = slots
        self.max_waiting = max_waiting
        self._quota = quota
        self._clock = clock
        self._running: set[Ticket] = set()
        self._waiting: dict[str, deque[Ticket]] = {}  # by user; the first user is served next
        self._durations_s: deque[float] = deque(maxlen=_MAX_DURATIONS)

    @property
    def running(self) -> int:
        """Requests that hold a slot."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Requests that wait for one."""
        return sum(len(queue) for queue in self._waiting.values())

    def admit(self, user_id: str) -> Ticket:
        """A ticket, admitted at once when a slot is free.

        Raises :class:`QueueFull`, and :class:`~app.errors.TooManyRequests` if this user's quota is used up.
        """
        if self.running >= self.slots:
            self._require_place(user_id)
        self._quota.enter(user_id)
        ticket = Ticket(self, user_id)
        if self.running < self.slots:
            self._start(ticket)
        else:
            self._waiting.setdefault(user_id, deque()).append(ticket)
            self._update_positions()
        return ticket

    def _require_place(self, user_id: str) -> None:
        """Raise :class:`QueueFull` if there is no place to wait in for this user."""
        if self.max_waiting and len(self._waiting.get(user_id, ())) >= self._share():
            raise QueueFull(
                f"{self._share()} of your requests are waiting for this model already. Wait for one of them.",
                waiting=self._share(),
                retry_after_s=self._retry_after_s(),
            )
        if self.waiting >= self.max_waiting:
            raise QueueFull(
                f"The model is busy: {self.slots} replies are running and {self.waiting} requests are waiting. "
                "Try again in a moment, or choose another model.",
                waiting=self.waiting,
                retry_after_s=self._retry_after_s(),
            )

    def order(self) -> list[Ticket]:
        """The waiting tickets in the order in which they will be admitted if none is added or released."""
        queues = [deque(queue) for queue in self._waiting.values()]
        served: list[Ticket] = []
        while queues:
            served.extend(queue.popleft() for queue in queues)
            queues = [queue for queue in queues if queue]
        return served

    def _share(self) -> int:
        """How many requests of one user may wait."""
        return max(1, self.max_waiting // _SHARES) if self._quota.several_people else self.max_waiting

    def _start(self, ticket: Ticket) -> None:
        ticket.admitted_at = self._clock()
        self._running.add(ticket)
        ticket._move(0)

    def _leave(self, ticket: Ticket) -> None:
        self._quota.leave(ticket.user_id)
        if ticket in self._running:
            self._running.remove(ticket)
            self._durations_s.append(self._clock() - (ticket.admitted_at or 0.0))
        else:
            self._remove(ticket)
        while self._waiting and self.running < self.slots:
            self._start(self._take_next())
        self._update_positions()

    def _take_next(self) -> Ticket:
        user_id = next(iter(self._waiting))
        queue = self._waiting.pop(user_id)
        ticket = queue.popleft()
        if queue:
            self._waiting[user_id] = queue  # to the end of the round
        return ticket

    def _remove(self, ticket: Ticket) -> None:
        queue = self._waiting[ticket.user_id]
        queue.remove(ticket)
        if not queue:
            del self._waiting[ticket.user_id]

    def _update_positions(self) -> None:
        for position, ticket in enumerate(self.order(), 1):
            ticket._move(position)

    def _retry_after_s(self) -> int:
        mean_s = sum(self._durations_s) / len(self._durations_s) if self._durations_s else _DEFAULT_REPLY_S
        return max(1, min(_MAX_RETRY_S, round(mean_s * (self.waiting + 1) / self.slots)))
