"""The model store as a job's own process sees it."""

from __future__ import annotations

from app.config import Settings
from app.jobs.context import JobContext
from app.models.catalog import Catalog
from app.models.service import ModelService


def models_of(context: JobContext) -> ModelService:
    """The models of the server's store, none in memory."""
    settings = Settings(data_dir=context.places.data_dir, model_store=context.places.store_dir)
    catalog = Catalog(context.places.store_dir)
    catalog.cache()
    return ModelService(settings, catalog)
