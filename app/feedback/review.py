"""The review: lists judgements of all people, decides about them, and sums them up in statistics and a leaderboard.

Sums are computed by a thread, from the store's counts, and kept until a judgement, a decision or a consent changes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

from app.domain.derivation import derive
from app.domain.feedback import Decision, Judgement
from app.domain.review import JudgementFilter, JudgementPage, ListedJudgement
from app.feedback.comparisons import comparisons
from app.feedback.leaderboard.comparison import Filter
from app.feedback.leaderboard.result import Leaderboard
from app.feedback.outcomes import Outcome, outcome_of
from app.feedback.statistics import Statistics, statistics
from app.store.database import Store
from app.store.repositories import Repositories

T = TypeVar("T")
_KEPT = 16  # results, of different filters


class ReviewService:
    """For the owner of the installation and for administrators. One per application."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: OrderedDict[Hashable, object] = OrderedDict()
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
        return await self._summed("statistics", lambda r: statistics(r.statistics.counts()))

    async def leaderboard(self, where: Filter, control: frozenset[str]) -> Leaderboard:
        """The leaderboard of the comparisons that pass the filter; `control` names what is taken out of the ratings."""

        def work(r: Repositories) -> Leaderboard:
            from app.feedback.leaderboard.compute import leaderboard  # loads NumPy

            return leaderboard(comparisons(r.statistics.ranked_pairs(), r.statistics.thumb_pairs()), where, control)

        return await self._summed((where, control), work)

    async def _summed(self, what: Hashable, compute: Callable[[Repositories], T]) -> T:
        """The result of `compute` in the store's current state, computed at most once for each state."""
        async with self._computing:

            def work(r: Repositories) -> tuple[Hashable, object]:
                key = (what, r.statistics.version())
                return key, self._kept[key] if key in self._kept else compute(r)

            key, found = await self._store.read(work)
            self._kept[key] = found
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return cast(T, found)


def _with_outcome(r: Repositories, judgement_id: str) -> tuple[ListedJudgement, Outcome | None]:
    found = r.judgements.get(judgement_id)
    for feedback in r.feedback.conversations([found.conversation_id]):
        judgements: list[Judgement] = [*feedback.ratings, *feedback.rankings]
        for given in judgements:
            if given.id == judgement_id:
                return found, outcome_of(given, derive(feedback), None)
    return found, None
