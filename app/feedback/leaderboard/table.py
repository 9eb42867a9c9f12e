"""The input as columns of numbers: much smaller than so many objects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from app.feedback.leaderboard.comparison import Comparison, Filter, Outcome
from app.feedback.leaderboard.votes import Flags, Floats, Ints

RESULTS = {Outcome.LEFT: 1, Outcome.RIGHT: -1, Outcome.TIE: 0, Outcome.BOTH_BAD: 9}
_POSITIONS = {0: 1, 1: -1, None: 0}
_CHUNK = 10_000  # comparisons that are objects at a time


@dataclass(frozen=True, slots=True)
class Table:
    """One row per comparison, all of shape (n,). Names may be more than those that occur, in any order."""

    players: tuple[str, ...]
    raters: tuple[str, ...]
    languages: tuple[str, ...]
    sources: tuple[str, ...]
    left: Ints  # index of a player
    right: Ints
    result: Ints  # see :data:`RESULTS`
    position: Ints  # 1: left was shown first, -1: right was, 0: not side by side
    left_length: Ints  # characters
    right_length: Ints
    rater: Ints  # index of a rater
    judgement: Ints  # numbers in the order of the ids
    prompt: Ints  # likewise
    weight: Floats
    time: Floats  # seconds since 1970
    language: Ints  # index of a language
    source: Ints  # index of a source
    blind: Flags

    def __len__(self) -> int:
        return len(self.left)

    def passing(self, where: Filter) -> Ints:
        """The rows that pass all conditions."""
        passes = np.ones(len(self), np.bool_)
        if where.language is not None:
            passes &= self.language == _index(self.languages, where.language)
        if where.source is not None:
            passes &= self.source == _index(self.sources, where.source)
        if where.blind_only:
            passes &= self.blind
        if where.since is not None:
            passes &= self.time >= where.since.timestamp()
        return np.flatnonzero(passes)


def table_of(comparisons: Iterable[Comparison]) -> Table:
    """The same as columns."""
    columns, source = _Columns(), iter(comparisons)
    while chunk := list(islice(source, _CHUNK)):
        columns.add(chunk)
    return columns.joined()


def _index(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else -1


class _Names(dict[str, int]):
    """Numbers strings in the order in which they come."""

    def __missing__(self, name: str) -> int:
        self[name] = number = len(self)
        return number

    def places(self) -> Ints:
        """The place of each number in the order of the strings."""
        places = np.empty(len(self), np.int64)
        places[[self[name] for name in sorted(self)]] = np.arange(len(self))
        return places


@dataclass(slots=True)
class _Columns:
    """Rows so far."""

    players: _Names = field(default_factory=_Names)
    raters: _Names = field(default_factory=_Names)
    languages: _Names = field(default_factory=_Names)
    sources: _Names = field(default_factory=_Names)
    judgements: _Names = field(default_factory=_Names)
    prompts: _Names = field(default_factory=_Names)
    whole: list[Ints] = field(default_factory=lambda: [np.empty((12, 0), np.int64)])
    real: list[Floats] = field(default_factory=lambda: [np.empty((2, 0))])

    def add(self, comparisons: list[Comparison]) -> None:
        """Append some rows."""
        whole = (
            [self.players[c.left] for c in comparisons],
            [self.players[c.right] for c in comparisons],
            [RESULTS[c.outcome] for c in comparisons],
            [_POSITIONS[c.left_position_shown] for c in comparisons],
            [c.left_length for c in comparisons],
            [c.right_length for c in comparisons],
            [self.raters[c.rater_id] for c in comparisons],
            [self.judgements[c.judgement_id] for c in comparisons],
            [self.prompts[c.prompt_id] for c in comparisons],
            [self.languages[c.language] for c in comparisons],
            [self.sources[c.source] for c in comparisons],
            [c.blind for c in comparisons],
        )
        real = ([c.weight for c in comparisons], [c.at.timestamp() for c in comparisons])
        self.whole.append(np.array(whole, np.int64))
        self.real.append(np.array(real, np.float64))

    def joined(self) -> Table:
        """All rows."""
        columns = np.concatenate(self.whole, axis=1)
        left, right, result, position, left_length, right_length, rater = columns[:7]
        judgement, prompt, language, source, blind = columns[7:]
        weight, time = np.concatenate(self.real, axis=1)
        return Table(
            players=tuple(self.players),
            raters=tuple(self.raters),
            languages=tuple(self.languages),
            sources=tuple(self.sources),
            left=left,
            right=right,
            result=result,
            position=position,
            left_length=left_length,
            right_length=right_length,
            rater=rater,
            judgement=self.judgements.places()[judgement],
            prompt=self.prompts.places()[prompt],
            weight=weight,
            time=time,
            language=language,
            source=source,
            blind=blind.astype(np.bool_),
        )
