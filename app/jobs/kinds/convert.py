"""Jobs that convert a Hugging Face model to GGUF for llama.cpp.

Parameters: ``model_id``; ``title``; ``to``, the number format. Result: ``model_id``, the reference of the new variant;
``size_bytes``. A resumed conversion starts anew: it leaves no partial file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.jobs.context import JobContext
from app.jobs.kind import JobKind
from app.jobs.model_store import models_of


def run(context: JobContext, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Convert it."""
    model_id, to = parameters["model_id"], parameters["to"]
    path = models_of(context).convert(model_id, to, context.on_progress, context.cancelled)
    return {"model_id": f"{model_id}@{to}", "size_bytes": path.stat().st_size}


KIND = JobKind("convert", run)
