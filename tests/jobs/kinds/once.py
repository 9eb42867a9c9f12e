"""A kind that can't be resumed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.errors import InvalidRequest
from app.jobs.context import JobContext
from app.jobs.kind import JobKind


def run(context: JobContext, parameters: Mapping[str, Any]) -> dict[str, Any]:
    raise InvalidRequest("No.")


KIND = JobKind("once", run, resumable=False)
