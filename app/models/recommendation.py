"""Which model to recommend for this computer, and how well others suit a conversation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Literal

from app.models.catalog import CatalogEntry
from app.models.manifest import Manifest
from app.models.memory import MemoryEstimate, MemorySnapshot
from app.models.memory.snapshot import Amount, need
from app.weights.sources import HubSource, WheelSource

ROOM = 0.6  # the share of a device's memory that a recommended model takes at most: the rest is for other programs
# Without a GPU all weights are read from RAM for each token, and a model that thinks writes several times as many.
THINKING_TOKENS_RATIO = 4
MAX_CPU_BYTES = 12_000_000_000  # of weights for a token of an answer, and of the thinking before it
RECENT_MONTHS = 12  # before the newest model of the list

Tier = Literal["recent", "older", "base"]


class Recommendation:
    """Compares the models of one listing."""

    def __init__(self, entries: Iterable[CatalogEntry], memory: MemorySnapshot, missing: Collection[str]) -> None:
        """`missing`: the names of engines that are not installed."""
        self._chats = [entry for entry in entries if entry.manifest.kind == "chat"]
        self._memory, self._missing = memory, missing
        months = [_month(entry.manifest.released) for entry in self._chats if entry.manifest.released]
        self._recent = max(months, default=0) - RECENT_MONTHS

    def tier(self, manifest: Manifest) -> Tier | None:
        """A model that only continues texts is a ``base``. ``None`` if its age is unknown."""
        if manifest.tuning == "none":
            return "base"
        if not manifest.released:
            return None
        return "recent" if _month(manifest.released) >= self._recent else "older"

    def model_id(self, languages: Sequence[str] = ()) -> str | None:
        """The largest recent model with room to spare that speaks the first of `languages` which any speaks.

        Without `languages` the largest of all. ``None`` if not even the smallest one has room.
        """
        found = [(weights, entry.manifest) for entry in self._chats for weights in self._suitable(entry)]
        for language in (language.split("-")[0].lower() for language in languages):
            speaking = [(weights, manifest) for weights, manifest in found if language in manifest.languages]
            if speaking:
                return _largest(speaking)
        return _largest(found) if found and not languages else None

    def _suitable(self, entry: CatalogEntry) -> Iterator[int]:
        """The bytes of the weights of its first variant with room to spare, if it is recent and can be had."""
        if self.tier(entry.manifest) != "recent" or not _can_be_had(entry):
            return
        for variant in entry.variants or (entry,):
            estimate = variant.status.memory
            if estimate is None or variant.manifest.engine in self._missing or _is_slow(variant.manifest, estimate):
                continue
            if self._has_room(variant, estimate):
                yield estimate.weights_bytes
                return

    def _has_room(self, variant: CatalogEntry, estimate: MemoryEstimate) -> bool:
        memory = self._memory
        vram_bytes = memory.vram.total_bytes if memory.vram else 0
        spare = Amount(int(ROOM * memory.ram.total_bytes), int(ROOM * vram_bytes))
        fits = memory.fits(estimate, variant.manifest.id)
        return fits is True and spare.covers(need(estimate, counts_vram=memory.vram is not None))


def _is_slow(manifest: Manifest, estimate: MemoryEstimate) -> bool:
    """Whether an answer takes minutes."""
    ratio = THINKING_TOKENS_RATIO if manifest.reasoning.thinks else 1
    return not estimate.on_gpu and ratio * estimate.weights_bytes > MAX_CPU_BYTES


def _largest(found: Sequence[tuple[int, Manifest]]) -> str:
    """The newest of those with most weights."""
    return max(found, key=lambda one: (one[0], one[1].released))[1].base_id


def _can_be_had(entry: CatalogEntry) -> bool:
    source = entry.manifest.source
    fetchable = isinstance(source, WheelSource) or (isinstance(source, HubSource) and not source.base)
    return entry.status.state == "ready" or (entry.status.state == "not_fetched" and fetchable)


def _month(released: str) -> int:
    year, month = released.split("-")
    return 12 * int(year) + int(month)
