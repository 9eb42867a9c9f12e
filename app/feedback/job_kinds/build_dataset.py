"""Jobs that build a dataset.

Parameters: ``user_id``; ``title``, its name; ``spec``, as :meth:`DatasetSpec.as_dict` writes it. Result: ``name``. A
job that is resumed builds it anew, from the feedback that there is then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.feedback.datasets.shelf import Shelf
from app.feedback.datasets.spec import DatasetSpec
from app.jobs.context import JobContext
from app.jobs.kind import JobKind

BUILD_DATASET = "build_dataset"


def run(context: JobContext, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Build it and add it to the store."""
    spec = DatasetSpec.from_dict(parameters["spec"])
    shelf = Shelf(context.places.data_dir, context.places.database_url)
    made = shelf.build(parameters["user_id"], spec, context.report, context.check_cancelled)
    return {"name": made.name}


KIND = JobKind(BUILD_DATASET, run)
