"""The review: lists judgements of all people, decides about them, and sums them up in statistics and a leaderboard.

Sums are computed by a thread, from the judged replies in memory, and kept until a judgement, a decision or a consent
changes.
"""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING

from app.domain.derivation import derive
from app.domain.feedback import Decision, Judgement
from app.domain.review import JudgementFilter, JudgementPage, ListedJudgement
from app.feedback.leaderboard.comparison import Filter
from app.feedback.leaderboard.result import Leaderboard
from app.feedback.outcomes import Outcome, outcome_of
from app.feedback.statistics import Statistics
from app.store.database import Store
from app.store.repositories import Repositories

if TYPE_CHECKING:
    from app.feedback.judged_replies.sums import Sums


class ReviewService:
    """For the owner of the installation and for administrators. One per application."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._computing = asyncio.Lock()  # one at a time: others may want the same

    async def judgements(self, where: JudgementFilter, *, limit: int, cursor: str | None) -> JudgementPage:
        """A page of judgements, the newest first. Raises :class:`~app.errors.InvalidRequest` for a bad cursor."""
        return await self._store.read(lambda r: r.judgements.page(where, limit=limit, cursor=cursor))

    async def judgement(self, judgement_id: str) -> tuple[ListedJudgement, Outcome | None]:
        """One judgement with its whole texts, and what became of it. Raises :class:`JudgementNotFound`."""
        return await self._store.read(lambda r: _with_outcome(r, judgement_id))

    async def decide(self, reviewer_id: str, judgement_id: str, decision: Decision, note: str) -> ListedJudgement:
        """Accept or exclude a judgement; ``open`` takes a decision back. The latest decision counts.

        Raises :class:`JudgementNotFound`, also for what was changed since, and :class:`~app.errors.InvalidRequest`.
        """

        def work(r: Repositories) -> ListedJudgement:
            r.judgements.get(judgement_id)
            r.feedback.review(reviewer_id, judgement_id, decision, note)
            return r.judgements.get(judgement_id)

        return await self._store.write(work)

    async def statistics(self) -> Statistics:
        """The statistics of all judgements that count."""
        async with self._computing:
            return await self._store.read(lambda r: self._sums.statistics(r))

    async def leaderboard(self, where: Filter, control: frozenset[str]) -> Leaderboard:
        """The leaderboard of the comparisons that pass the filter; `control` names what is taken out of the ratings."""
        async with self._computing:
            return await self._store.read(lambda r: self._sums.leaderboard(r, where, control))

    @cached_property
    def _sums(self) -> Sums:
        from app.feedback.judged_replies.sums import Sums  # loads NumPy

        return Sums()


def _with_outcome(r: Repositories, judgement_id: str) -> tuple[ListedJudgement, Outcome | None]:
    found = r.judgements.get(judgement_id)
    for feedback in r.feedback.conversations([found.conversation_id]):
        judgements: list[Judgement] = [*feedback.ratings, *feedback.rankings]
        for given in judgements:
            if given.id == judgement_id:
                return found, outcome_of(given, derive(feedback), None)
    return found, None
