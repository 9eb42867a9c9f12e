"""Schemas of requests about models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.api.schemas import Request, Text
from app.models.gguf_conversion import ConvertTo
from app.models.hub_references import MAX_REFERENCE_CHARS

MAX_PATH_CHARS = 4096
_MAX_NAME_CHARS = 64


class PullByName(Request):
    """A model on the Hugging Face Hub to download: ``hub:OWNER/NAME[:FILE][@REVISION]``."""

    source: Annotated[Text, Field(min_length=1, max_length=MAX_REFERENCE_CHARS)]


class PullStarted(BaseModel):
    """A download that has started; ``id`` is the model's id in the list of models, which shows the progress."""

    id: str


class ConvertModel(Request):
    """A conversion to GGUF; ``to`` is the number format, the smallest first."""

    to: Literal["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "f16", "bf16", "f32"] = "q4_0"


class ImportModel(Request):
    """A model or an adapter to import, as ``parley models import`` does; ``source`` is a path on the server's disk."""

    source: Annotated[Text, Field(min_length=1, max_length=MAX_PATH_CHARS)]
    name: Annotated[Text, Field(max_length=_MAX_NAME_CHARS)] = ""
    base: Annotated[Text, Field(max_length=MAX_PATH_CHARS)] = ""
    to: ConvertTo = "auto"
