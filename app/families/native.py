"""The checkpoint's own chat template, rendered by the engine."""

from __future__ import annotations

from app.families.base import Family

FAMILY = Family(name="native", title="The model's own chat template", render=None)
