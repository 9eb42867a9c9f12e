"""Datasets: frozen builds of training files from the feedback log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Stale(StrEnum):
    """Why a dataset holds a judgement that it should not hold any more."""

    DELETED = "deleted"  # the conversation, or the person who judged
    NO_CONSENT = "no_consent"  # its owner does not allow training any more
    EXCLUDED = "excluded"  # by an administrator
    WITHDRAWN = "withdrawn"  # by the person who judged
    CHANGED = "changed"  # the person judges otherwise now
    FILES_MISSING = "files_missing"  # of the dataset itself


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How much of the feedback log there was: the last rating, ranking and review."""

    rating_sequence: int
    ranking_sequence: int
    review_sequence: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset that was built. `spec` is what was asked for, `manifest` what it contains."""

    id: str
    user_id: str
    name: str
    created_at: datetime  # UTC
    spec: Mapping[str, Any]
    manifest: Mapping[str, Any]
    folder: str  # relative to the data folder
    read_until: LogPosition
