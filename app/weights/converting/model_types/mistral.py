"""Mistral's first models, which have LLaMA's architecture."""

from __future__ import annotations

from app.weights.converting.model_types.llama import CONVERTER as CONVERTER
