"""Jobs that download a model, and convert it to GGUF if it is faster that way on this machine.

Parameters: ``model_id``; ``title``; ``manifest``, as TOML, for a model requested by its name on the Hub, which the
catalog does not know yet. Result: ``model_id``. A resumed download goes on after the bytes that are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.errors import FetchFailed
from app.jobs.context import JobContext
from app.jobs.kind import JobKind
from app.models.catalog import Catalog
from app.models.fetch_model import fetch_model
from app.models.manifest_reader import parse_manifest


def run(context: JobContext, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Download and convert it."""
    store_dir, model_id = context.places.store_dir, parameters["model_id"]
    text = parameters.get("manifest")
    try:
        manifest = parse_manifest(text, model_id) if text else Catalog(store_dir).get(model_id)
        fetched = fetch_model(manifest, store_dir, context.on_progress, context.cancelled)
    except OSError as err:  # of the store, outside of the download itself
        text = f"The model store can't be used ({err.strerror}). Check its disk, then try again."
        raise FetchFailed(text, model_id=model_id) from err
    return {"model_id": fetched.base_id}


KIND = JobKind("fetch", run, at_once=2)  # more would only share the same bandwidth
