"""Statistics and leaderboards of the store, computed once for each of its states."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

from app.feedback.judged_replies.comparisons import comparisons
from app.feedback.judged_replies.counts import counts
from app.feedback.judged_replies.mirror import Mirror
from app.feedback.leaderboard.comparison import Filter
from app.feedback.leaderboard.compute import leaderboard_of
from app.feedback.leaderboard.result import Leaderboard
from app.feedback.leaderboard.table import Table
from app.feedback.statistics import Statistics, statistics
from app.store.repositories import Repositories

T = TypeVar("T")
_KEPT = 16  # results, of different filters


class Sums:
    """Not for several threads at once."""

    def __init__(self) -> None:
        self._mirror = Mirror()
        self._version = ""
        self._kept: OrderedDict[Hashable, object] = OrderedDict()  # of this version

    def statistics(self, r: Repositories) -> Statistics:
        """The statistics of all judgements that count."""
        return self._once(r, "statistics", lambda: statistics(counts(self._mirror.read(r), r.judged_replies)))

    def leaderboard(self, r: Repositories, where: Filter, control: frozenset[str]) -> Leaderboard:
        """The leaderboard of the comparisons that pass the filter; `control` names what is taken out of the ratings."""
        return self._once(r, (where, control), lambda: leaderboard_of(self._comparisons(r), where, control))

    def _comparisons(self, r: Repositories) -> Table:
        return self._once(r, "comparisons", lambda: comparisons(self._mirror.read(r)))

    def _once(self, r: Repositories, what: Hashable, compute: Callable[[], T]) -> T:
        if (version := r.judged_replies.version()) != self._version:
            self._version = version
            self._kept.clear()
        found = self._kept[what] if what in self._kept else compute()
        self._kept[what] = found
        self._kept.move_to_end(what)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return cast(T, found)
