"""How much one person may generate: what the engine asks before it admits a request, and tells when it has ended."""

from __future__ import annotations

from typing import Protocol

from app.domain.generation import Usage


class Quota(Protocol):
    """The limits of people; implemented by accounts."""

    @property
    def several_people(self) -> bool:
        """Whether requests are those of people who must not learn of each other's, nor wait for one person's alone."""
        ...

    def enter(self, user_id: str) -> None:
        """Count a request. Raises :class:`~app.errors.TooManyRequests` instead if this person has none left."""
        ...

    def leave(self, user_id: str) -> None:
        """The request has ended, or given up its place."""
        ...

    def used(self, user_id: str, usage: Usage) -> None:
        """A reply has ended that took so many tokens."""
        ...


class Unlimited:
    """For one person, who may use the whole machine."""

    several_people = False

    def enter(self, user_id: str) -> None:
        """Does nothing."""

    def leave(self, user_id: str) -> None:
        """Does nothing."""

    def used(self, user_id: str, usage: Usage) -> None:
        """Does nothing."""


UNLIMITED = Unlimited()
