"""Finds conversations with the same or nearly the same prompt, so that they come into the same split.

MinHash with locality-sensitive hashing (A. Broder, "On the resemblance and containment of documents", 1997; Leskovec,
Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3): a text is the set of its character 5-grams, its
signature the least values of 128 hash functions over them. Two signatures agree in a position with the probability of
their Jaccard similarity. They are compared where four neighbouring values agree in one of 32 places, which prompts with
a similarity of 0.7, the ``SIMILARITY`` of :mod:`app.domain.splits`, miss with a probability of 0.02 %. 16 bits are kept
of each value: 256 bytes per prompt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from app.domain.training_rows import normal

_LINKED_AT = 0.55  # of the estimate, whose standard deviation is 0.04: only one in 5,000 near duplicates is below
_GRAM, _PERMUTATIONS, _BAND = 5, 128, 4
_MAX_CHARS = 10_000  # longer prompts are compared by their first ones
_MAX_REPRESENTATIVES = 16  # of the texts that have a band in common
_CHUNK = 4_096  # n-grams at a time

_U64 = npt.NDArray[np.uint64]


class NearDuplicates:
    """Takes the prompts of groups (conversations), numbered from 0, and tells which groups belong together."""

    def __init__(self) -> None:
        random = np.random.default_rng(20_261_127)  # fixed: the same texts always give the same groups
        self._factors = random.integers(1, 2**63, _PERMUTATIONS, dtype=np.uint64) | np.uint64(1)
        self._terms = random.integers(0, 2**63, _PERMUTATIONS, dtype=np.uint64)
        self._known: dict[bytes, int] = {}  # digest of a text → its group
        self._signatures = np.empty((1024, _PERMUTATIONS), np.uint16)
        self._groups: list[int] = []  # of each signature
        self._parents: list[int] = []  # union-find over the groups

    def add(self, group: int, texts: Sequence[str]) -> None:
        """Add the prompts of the next group."""
        while len(self._parents) <= group:
            self._parents.append(len(self._parents))
        for text in texts:
            plain = normal(text[:_MAX_CHARS])
            digest = hashlib.blake2b(plain.encode(), digest_size=16).digest()
            known = self._known.setdefault(digest, group)
            if known != group:
                self._join(known, group)
                continue
            if len(self._groups) == len(self._signatures):
                self._signatures = np.concatenate([self._signatures, np.empty_like(self._signatures)])
            self._signatures[len(self._groups)] = self._signature(plain)
            self._groups.append(group)

    def clusters(self, check: Callable[[], None] = lambda: None) -> list[int]:
        """For each group, the smallest number of a group that belongs with it. `check` may raise to stop."""
        signatures = self._signatures[: len(self._groups)]
        for start in range(0, _PERMUTATIONS, _BAND):
            check()
            self._link(np.ascontiguousarray(signatures[:, start : start + _BAND]).view(np.uint64).ravel())
        return [self._root(group) for group in range(len(self._parents))]

    def _link(self, band: _U64) -> None:
        """Join the groups of similar prompts among those that have the same values in this band."""
        order = np.argsort(band, kind="stable")
        starts = np.flatnonzero(np.diff(band[order], prepend=~band[order[:1]]))
        for bucket in np.split(order, starts[1:]):
            if len(bucket) > 1:
                self._link_bucket(bucket)

    def _link_bucket(self, bucket: npt.NDArray[np.intp]) -> None:
        """Join the groups of those prompts in a bucket that are similar to one of the first ones."""
        representatives: list[int] = []
        for at in bucket.tolist():
            group = self._root(self._groups[at])
            others = [other for other in representatives if self._root(self._groups[other]) != group]
            if others:
                agree = (self._signatures[others] == self._signatures[at]).mean(axis=1)
                for other, share in zip(others, agree, strict=True):
                    if share >= _LINKED_AT:
                        self._join(self._groups[other], self._groups[at])
            if len(representatives) < _MAX_REPRESENTATIVES:
                representatives.append(at)

    def _signature(self, text: str) -> npt.NDArray[np.uint16]:
        """The MinHash signature of a text."""
        grams = _grams(text)
        least = np.full(_PERMUTATIONS, np.iinfo(np.uint64).max, np.uint64)
        for start in range(0, len(grams), _CHUNK):
            hashed = grams[start : start + _CHUNK, None] * self._factors + self._terms
            np.minimum(least, hashed.min(axis=0), out=least)
        return (least * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(48)).astype(np.uint16)

    def _root(self, group: int) -> int:
        while self._parents[group] != group:
            self._parents[group] = self._parents[self._parents[group]]
            group = self._parents[group]
        return group

    def _join(self, one: int, other: int) -> None:
        first, second = sorted((self._root(one), self._root(other)))
        self._parents[second] = first


def _grams(text: str) -> _U64:
    """Hashes of the distinct character n-grams of a text; of a shorter text, of the whole text."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    width = max(1, min(_GRAM, len(codes)))
    hashed = np.zeros(max(1, len(codes) - width + 1), np.uint64)
    for at in range(width if len(codes) else 0):
        hashed = hashed * np.uint64(0x100000001B3) + codes[at : at + len(hashed)]
    mixed = hashed ^ (hashed >> np.uint64(29))
    return np.unique(mixed * np.uint64(0xBF58476D1CE4E5B9))
