"""What one person may generate: replies at once, and tokens a day. Counted where there are accounts only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.domain.generation import Usage
from app.errors import TooManyRequests
from app.store import Store

_WAIT_S = 5


@dataclass(frozen=True, slots=True)
class UsageLimits:
    """The limits; 0: none."""

    replies_at_once: int = 0
    tokens_per_day: int = 0


class PeoplesUsage:
    """Counts for each person; the tokens of a day (UTC) are stored, so that a restart does not give them back."""

    def __init__(self, store: Store, limits: UsageLimits, several_people: Callable[[], bool]) -> None:
        self._store, self._limits, self._several_people = store, limits, several_people
        self._running = Counter[str]()
        self._day = ""
        self._tokens = Counter[str]()

    async def start(self) -> None:
        """Read what was used today."""
        self._day = _today()
        self._tokens = Counter(await self._store.read(lambda r: r.usage.on_day(self._day)))

    @property
    def several_people(self) -> bool:
        """Whether there are accounts."""
        return self._several_people()

    def enter(self, user_id: str) -> None:
        """Count a request. Raises :class:`TooManyRequests` instead if this person has none left."""
        limits = self._limits
        if self.several_people and limits.replies_at_once and self._running[user_id] >= limits.replies_at_once:
            text = f"You have {self._running[user_id]} replies running or waiting, the most that one person may have."
            raise TooManyRequests(f"{text} Wait for one of them.", retry_after_s=_WAIT_S)
        if self.several_people and limits.tokens_per_day and self._tokens_today(user_id) >= limits.tokens_per_day:
            text = f"Your {limits.tokens_per_day:,} tokens of today are used up. There are new ones at midnight (UTC)."
            raise TooManyRequests(text, retry_after_s=_until_midnight_s())
        self._running[user_id] += 1

    def leave(self, user_id: str) -> None:
        """The request has ended."""
        self._running[user_id] -= 1
        if self._running[user_id] <= 0:
            del self._running[user_id]

    def used(self, user_id: str, usage: Usage) -> None:
        """Add the tokens of a reply. Nobody waits until they are stored."""
        if self.several_people:
            self._tokens_today(user_id)
            day, prompt, completion = self._day, usage.prompt_tokens, usage.completion_tokens
            self._tokens[user_id] += prompt + completion
            self._store.submit(lambda r: r.usage.add(user_id, day, prompt, completion))

    def _tokens_today(self, user_id: str) -> int:
        if self._day != (today := _today()):
            self._day = today
            self._tokens.clear()
        return self._tokens[user_id]


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def _until_midnight_s() -> int:
    now = datetime.now(UTC)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(1, round((midnight - now).total_seconds()))
