"""The event hub: the channels of all conversations."""

from __future__ import annotations

import time

from app.chat.resumable_events import Channel


class EventHub:
    """Creates channels on demand and keeps unused ones for `keep_s`, so that subscribers can resume."""

    def __init__(self, heartbeat_s: float = 15.0, keep_s: float = 120.0) -> None:
        self.heartbeat_s = heartbeat_s  # of silence, after which subscribers get a heartbeat
        self._channels: dict[str, Channel] = {}
        self._keep_s = keep_s
        self._closed = False

    def channel(self, conversation_id: str) -> Channel:
        """The conversation's channel, created if necessary."""
        found = self._channels.get(conversation_id)
        if found is None:
            self._drop_idle()
            found = self._channels[conversation_id] = Channel()
            found.closed = self._closed
        found.touched = time.monotonic()
        return found

    @property
    def subscribers(self) -> int:
        """The number of open event streams."""
        return sum(c.subscribers for c in self._channels.values())

    def close(self) -> None:
        """Close all event streams, also future ones, since the server shuts down."""
        self._closed = True
        for channel in self._channels.values():
            channel.closed = True
            channel.notify()

    def _drop_idle(self) -> None:
        limit = time.monotonic() - self._keep_s
        for key in [k for k, c in self._channels.items() if c.idle and c.touched < limit]:
            del self._channels[key]
