"""Model references: ``base[@quantization][+adapter]``, such as ``chatglm-6b@nf4+my-lora``.

The base is a manifest's id; the variant to load (``quantization``) and the adapter to apply are optional. A model is in
memory once per base and quantization, and is shared by its adapters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.errors import ModelNotFound

MAX_REFERENCE_CHARS = 160

_REFERENCE = re.compile(r"(?P<base>[^@+]+)(?:@(?P<quantization>[^@+]+))?(?:\+(?P<adapter>[^@+]+))?")


@dataclass(frozen=True, slots=True)
class ModelReference:
    """The three parts of a reference; an omitted one is empty."""

    base: str
    quantization: str = ""
    adapter: str = ""

    @property
    def model(self) -> str:
        """The reference without its adapter: the variant to load."""
        return f"{self.base}@{self.quantization}" if self.quantization else self.base

    def __str__(self) -> str:
        return f"{self.model}+{self.adapter}" if self.adapter else self.model


def parse(text: str) -> ModelReference:
    """Parse a model reference; whether the model exists is checked by the catalog.

    Raises :class:`ModelNotFound` for a malformed reference.
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
    """The reference of `model_id` with `adapter`, if there is one."""
    return f"{model_id}+{adapter}" if adapter else model_id
