"""Passwords: argon2id checksums, and which passwords are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from app.errors import TooManyRequests, WeakPassword

T = TypeVar("T")

MIN_CHARS, MAX_CHARS = 8, 256
_AT_ONCE = 2  # one takes 64 MiB and a tenth of a second of four cores
_MAX_WAITING = 20
_JUDGED_CHARS = 72  # the estimate takes quadratic time
_TOO_EASY = 2  # of 0 (guessed in a thousand tries) to 4; 2: a hundred million


def require_strong(password: str, *names: str) -> None:
    """Raise :class:`WeakPassword` for one that is too short, or among the first that somebody would guess.

    `names` are the person's: a password made of them is easy to guess.
    """
    if len(password) < MIN_CHARS:
        text = f"This password is too short. Use {MIN_CHARS} characters or more; several words are easy to remember."
        raise WeakPassword(text, why="short", limit=MIN_CHARS)
    if len(password) > MAX_CHARS:
        raise WeakPassword(f"This password has more than {MAX_CHARS} characters.", why="long", limit=MAX_CHARS)
    if zxcvbn(password[:_JUDGED_CHARS], user_inputs=[name for name in names if name])["score"] < _TOO_EASY:
        text = "This password is easy to guess. Use several words that don't belong together."
        raise WeakPassword(text, why="easy")


class Passwords:
    """Computes and compares checksums in threads, few at once: each takes time and memory on purpose."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()  # RFC 9106, low memory: 3 passes over 64 MiB
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._nobody = self._hasher.hash("nobody's password")

    async def checksum(self, password: str, *names: str) -> str:
        """The checksum of a new password. Raises :class:`WeakPassword`, :class:`TooManyRequests`."""

        def compute() -> str:
            require_strong(password, *names)
            return self._hasher.hash(password)

        return await self._in_turn(compute)

    async def of_passcode(self, passcode: str) -> str:
        """The checksum of a passcode, which may be easy to guess: its link is not. Raises :class:`TooManyRequests`."""
        return await self._in_turn(lambda: self._hasher.hash(passcode))

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether it is the password of which `stored` is the checksum. Takes as long if there is none."""

        def compare() -> bool:
            try:
                return self._hasher.verify(stored or self._nobody, password[: MAX_CHARS + 1]) and stored is not None
            except (VerificationError, InvalidHashError):
                return False

        return await self._in_turn(compare)

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._waiting >= _MAX_WAITING:
            raise TooManyRequests("Too many people are signing in at once. Try again in a moment.", retry_after_s=5)
        self._waiting += 1
        try:
            async with self._places:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1
