"""Jobs that import a model or an adapter from files on this machine.

Parameters: ``source``, an absolute path; ``name`` in the store, or ""; ``title``; ``base``, for delta weights; ``to``,
the GGUF conversion to make. Result: ``name``, ``kind`` ("model" or "adapter"), ``notes`` for the user. A resumed import
keeps the files that were complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.jobs.context import JobContext
from app.jobs.kind import JobKind
from app.jobs.model_store import models_of
from app.models.gguf_conversion import parse_convert_to


def run(context: JobContext, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Import them."""
    done = models_of(context).import_files(
        Path(parameters["source"]),
        parameters["name"],
        parameters["base"],
        parse_convert_to(parameters["to"]),
        context.on_progress,
        context.cancelled,
    )
    return {"name": done.folder.name, "kind": done.kind, "notes": list(done.notes)}


KIND = JobKind("import", run)
