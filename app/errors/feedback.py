"""Errors of judgements, of datasets and of what they are made of."""

from __future__ import annotations

from app.errors.base import Conflict, NotFound


class RankingNotFound(NotFound):
    code = "ranking_not_found"


class JudgementNotFound(NotFound):
    code = "judgement_not_found"


class DatasetNotFound(NotFound):
    """``details``: ``name``."""

    code = "dataset_not_found"


class ImportedFileNotFound(NotFound):
    """``details``: ``name``."""

    code = "imported_file_not_found"


class DatasetExists(Conflict):
    """``details``: ``name``."""

    code = "dataset_exists"


class DatasetBusy(Conflict):
    code = "dataset_busy"
