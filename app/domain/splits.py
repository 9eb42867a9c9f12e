"""Which rows are for training, for validation and for testing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from app.errors import InvalidRequest

SIMILARITY = 0.7  # from here on (Jaccard), two prompts are near duplicates, whose conversations share a split


class Split(StrEnum):
    """What a row of a dataset is for."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of a dataset is set aside, from 0 to 1; the rest is for training."""

    validation: float = 0.05
    test: float = 0.1

    def check(self) -> None:
        """Raise :class:`InvalidRequest` unless the shares leave something for training."""
        if not (0 <= self.validation < 1 and 0 <= self.test < 1 and self.validation + self.test < 1):
            raise InvalidRequest(
                "The shares for validation and test must be between 0 and 1, and less than 1 together.", field="shares"
            )


def split_of(key: str, shares: Shares) -> Split:
    """The split of a group of conversations that belong together; `key` is the id of the oldest one.

    By the key alone: the group is in the same split in every dataset with these shares, whatever else is in it.
    """
    number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    if number < shares.test:
        return Split.TEST
    return Split.VALIDATION if number < shares.test + shares.validation else Split.TRAIN
