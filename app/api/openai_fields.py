"""Types of fields in requests of the OpenAI-compatible API: null means the default."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from app.api.schemas import Text


def _finite(value: float | None) -> float | None:
    if value is not None and (value != value or value in (float("inf"), float("-inf"))):
        raise ValueError("must be a finite number")
    return value


def or_default(default: object) -> BeforeValidator:
    """Null means `default`."""
    return BeforeValidator(lambda value: default if value is None else value)


Number = Annotated[float | None, AfterValidator(_finite)]
Flag = Annotated[bool, or_default(False)]
PartText = Annotated[Text, or_default("")]


class Lenient(BaseModel):
    """Accepts unknown fields, which have no effect."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)
