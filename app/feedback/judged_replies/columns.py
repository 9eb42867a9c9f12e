"""Judged replies as columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.judged_replies import JudgedReply

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Texts = NDArray[np.bytes_]

NONE = -1  # in columns of numbers


class Names:
    """Numbers texts in the order in which they come."""

    def __init__(self) -> None:
        self._numbers = _Numbers({None: NONE})

    def numbers(self, texts: Iterable[str | None]) -> NDArray[np.int32]:
        """The number of each text; :data:`NONE` for none."""
        return np.array(list(map(self._numbers.__getitem__, texts)), np.int32)

    def known(self) -> tuple[str, ...]:
        """The text of each number."""
        return tuple(text for text in self._numbers if text is not None)


class _Numbers(dict[str | None, int]):
    def __missing__(self, text: str | None) -> int:
        self[text] = number = len(self) - 1
        return number


@dataclass(frozen=True, slots=True)
class Columns:
    """One row per judged reply, all of shape (n,): 175 bytes each. Texts that repeat are numbers of :class:`Names`."""

    number: Ints
    judgement: Texts  # ids, 26 characters
    message: Texts
    prompt_message: Texts  # that the reply answers; b"" if there is none
    prompt: Texts  # its key, 32 characters
    kind: NDArray[np.int32]
    rater: NDArray[np.int32]
    reasons: NDArray[np.int32]
    player: NDArray[np.int32]
    adapter: NDArray[np.int32]
    language: NDArray[np.int32]
    decision: NDArray[np.int32]
    rank: NDArray[np.int16]
    position: NDArray[np.int16]
    characters: NDArray[np.int32]
    blind: Flags
    both_bad: Flags
    complete: Flags
    time: Floats  # seconds since 1970

    def __len__(self) -> int:
        return len(self.number)

    def subset(self, rows: Flags | Ints) -> Columns:
        """Some of the rows."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _COLUMNS})


_COLUMNS = tuple(field.name for field in fields(Columns))
NAMED = ("kind", "rater", "reasons", "player", "adapter", "language", "decision")


def columns(replies: Sequence[Sequence[Any]], names: Mapping[str, Names]) -> Columns:
    """The columns of some replies, each with the fields of :class:`JudgedReply`.

    `names`: of each column in :data:`NAMED`; new ones are added.
    """
    of: Any = JudgedReply._make(zip(*replies, strict=True) if replies else ((),) * len(JudgedReply._fields))
    # now each field has the values of all rows

    named = {"rater": of.rater_id} | {name: getattr(of, name) for name in NAMED if name != "rater"}
    return Columns(
        number=np.array(of.number, np.int64),
        judgement=np.array(of.judgement_id, "S26"),
        message=np.array(of.message_id, "S26"),
        prompt_message=np.array([value or "" for value in of.prompt_id], "S26"),
        prompt=np.array(of.prompt, "S32"),
        **{name: names[name].numbers(values) for name, values in named.items()},
        rank=_or_none(of.rank),
        position=_or_none(of.position),
        characters=np.array(of.characters, np.int32),
        blind=np.array(of.blind, np.bool_),
        both_bad=np.array(of.both_bad, np.bool_),
        complete=np.array(of.complete, np.bool_),
        time=_seconds(of.judged_at),
    )


def joined(parts: Sequence[Columns]) -> Columns:
    """All rows of some columns; at least one part."""
    return Columns(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS})


def _or_none(numbers: Iterable[int | None]) -> NDArray[np.int16]:
    return np.array([NONE if number is None else number for number in numbers], np.int16)


def _seconds(times: Iterable[datetime | str]) -> Floats:
    """Since 1970; text is UTC."""
    without_zone = [at if isinstance(at, str) else at.astimezone(UTC).replace(tzinfo=None) for at in times]
    return np.array(without_zone, "datetime64[us]").astype(np.int64) / 1e6
