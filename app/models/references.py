"""What names a model to answer: ``base[@quantization][+adapter]``, such as ``chatglm-6b@nf4+my-lora``.

The base is a manifest's id. What follows says how it is loaded and what is laid over it; both may be left out. A model
is in memory once per base and quantization, whatever adapters are asked of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.errors import ModelNotFound

MAX_REFERENCE_CHARS = 160

_REFERENCE = re.compile(r"(?P<base>[^@+]+)(?:@(?P<quantization>[^@+]+))?(?:\+(?P<adapter>[^@+]+))?")


@dataclass(frozen=True, slots=True)
class ModelReference:
    """The three parts; an empty one was left out."""

    base: str
    quantization: str = ""
    adapter: str = ""

    @property
    def model(self) -> str:
        """The reference without its adapter: what is loaded."""
        return f"{self.base}@{self.quantization}" if self.quantization else self.base

    def __str__(self) -> str:
        return f"{self.model}+{self.adapter}" if self.adapter else self.model


def parse(text: str) -> ModelReference:
    """The parts of `text`; whether they exist is the catalog's to say.

    Raises :class:`ModelNotFound` for what names no model in any catalog.
    """
    match = _REFERENCE.fullmatch(text) if len(text) <= MAX_REFERENCE_CHARS else None
    if match is None:
        shown = text[:64]
        raise ModelNotFound(
            f"{shown!r} is not a model. Write ID@VARIANT+ADAPTER, both optional. See: parley models list",
            model_id=shown,
        )
    return ModelReference(match["base"], match["quantization"] or "", match["adapter"] or "")


def with_adapter(model_id: str, adapter: str | None) -> str:
    """The whole reference of a model that answers with `adapter`."""
    return f"{model_id}+{adapter}" if adapter else model_id
