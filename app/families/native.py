"""The checkpoint's own chat template, applied by the engine that holds the checkpoint."""

from __future__ import annotations

from app.families.base import Family

FAMILY = Family(name="native", title="The model's own chat template", render=None)
