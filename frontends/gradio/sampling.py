"""Sampling as the drawer shows it: fields, presets, and overrides of a model's own values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_SEED = 2**32 - 2
MAX_STOPS = 16
MAX_STOP_CHARS = 128


class BadSetting(ValueError):
    """A field that makes no sense; ``key`` names the sentence that says so."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


@dataclass(frozen=True, slots=True)
class SliderField:
    """A number that a slider sets. ``default`` is shown until a model's own value is known."""

    name: str
    low: float
    high: float
    step: float
    default: float
    basic: bool = False


FIELDS = (
    SliderField("temperature", 0, 2, 0.05, 0.7, basic=True),
    SliderField("max_new_tokens", 16, 8192, 16, 1024, basic=True),
    SliderField("top_p", 0.01, 1, 0.01, 0.9),
    SliderField("top_k", 0, 200, 1, 40),
    SliderField("min_p", 0, 1, 0.01, 0.05),
    SliderField("repetition_penalty", 0.5, 2, 0.01, 1.0),
)

# How surprising a reply is. A penalty on repetition is a model's own matter: small ones loop without it.
PRESETS: Mapping[str, dict[str, float]] = {
    "precise": {"temperature": 0.2, "top_p": 0.9, "top_k": 40, "min_p": 0.05},
    "balanced": {"temperature": 0.7, "top_p": 0.9, "top_k": 40, "min_p": 0.05},
    "creative": {"temperature": 1.1, "top_p": 0.95, "top_k": 100, "min_p": 0.05},
}


def shown(defaults: Mapping[str, Any], sampling: Mapping[str, Any]) -> dict[str, Any]:
    """Every field's value: the conversation's, else the model's, else ours."""
    fallback: dict[str, Any] = {f.name: f.default for f in FIELDS} | {"seed": None, "stop": []}
    for source in (defaults, sampling):
        fallback |= {k: v for k, v in source.items() if k in fallback and v is not None}
    return fallback


def preset_of(values: Mapping[str, Any]) -> str | None:
    """The preset that `values` equal, if any."""
    return next((name for name, preset in PRESETS.items() if all(values[k] == v for k, v in preset.items())), None)


def overrides(defaults: Mapping[str, Any], values: Sequence[Any]) -> dict[str, Any]:
    """What the form's `values` (sliders in `FIELDS` order, seed, stop) change of `defaults`.

    Raises :class:`BadSetting` for a seed or stop strings that the API would refuse.
    """
    *numbers, seed, stop = values
    chosen: dict[str, Any] = {f.name: _number(f, value) for f, value in zip(FIELDS, numbers, strict=True)}
    chosen |= {"seed": _seed(seed), "stop": _stop(stop)}
    usual = shown(defaults, {})
    return {name: value for name, value in chosen.items() if value != usual[name]}


def _number(spec: SliderField, value: Any) -> float | int:
    number = float(spec.default if value is None else value)
    number = min(max(number, spec.low), spec.high)
    return round(number) if float(spec.step).is_integer() else round(number, 4)


def _seed(text: str) -> int | None:
    if not text.strip():
        return None
    if not text.strip().isascii() or not text.strip().isdigit() or int(text) > MAX_SEED:
        raise BadSetting("bad_seed")
    return int(text)


def _stop(text: str) -> list[str]:
    lines = [line for line in text.split("\n") if line]
    if len(lines) > MAX_STOPS or any(len(line) > MAX_STOP_CHARS for line in lines):
        raise BadSetting("bad_stop")
    return lines
