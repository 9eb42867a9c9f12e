"""Mistral's first models: LLaMAs in all but name."""

from __future__ import annotations

from app.weights.converting.model_types.llama import CONVERTER as CONVERTER
