"""Sampling parameters: their defaults and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from app.errors import InvalidSampling

MAX_STOPS = 16
MAX_STOP_CHARS = 128
MAX_NEW_TOKENS = 32_768
MAX_SEED = 2**32 - 2  # llama.cpp takes 2**32 - 1 for a random seed


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How the next token is sampled. ``temperature`` 0 always takes the most likely one.

    The constructor raises :class:`InvalidSampling` for a value that is out of range or not finite.
    """

    temperature: float = 0.7  # 0 … 2
    top_p: float = 0.9  # 0 < p ≤ 1
    top_k: int = 40  # 0: off
    min_p: float = 0.05  # 0 … 1, 0: off
    repetition_penalty: float = 1.0  # 0 < r ≤ 2, 1: off
    max_new_tokens: int = 1024
    seed: int | None = None  # None: random for each reply
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    thinking: bool | None = None  # whether a model that can do both thinks before it answers; None: its own default
    thinking_tokens: int | None = None  # at most, after which the reasoning is ended; None: no limit

    def __post_init__(self) -> None:
        _in_range("temperature", self.temperature, 0, 2)
        _in_range("top_p", self.top_p, 0, 1, above_low=True)
        _in_range("top_k", self.top_k, 0, 100_000, whole=True)
        _in_range("min_p", self.min_p, 0, 1)
        _in_range("repetition_penalty", self.repetition_penalty, 0, 2, above_low=True)
        _in_range("max_new_tokens", self.max_new_tokens, 1, MAX_NEW_TOKENS, whole=True)
        if self.seed is not None:
            _in_range("seed", self.seed, 0, MAX_SEED, whole=True)
        if not _are_stops(self.stop):
            raise InvalidSampling(
                f"stop: give at most {MAX_STOPS} strings of 1 to {MAX_STOP_CHARS} characters.", field="stop"
            )
        if not isinstance(self.ignore_eos, bool):
            raise InvalidSampling("ignore_eos must be true or false.", field="ignore_eos")
        if self.thinking is not None and not isinstance(self.thinking, bool):
            raise InvalidSampling("thinking must be true or false.", field="thinking")
        if self.thinking_tokens is not None:
            _in_range("thinking_tokens", self.thinking_tokens, 0, MAX_NEW_TOKENS, whole=True)

    def merged(self, overrides: Mapping[str, object]) -> SamplingParams:
        """A copy with `overrides` (field name → value; ``None`` keeps the current value).

        Raises :class:`InvalidSampling` for an unknown name or a value out of range.
        """
        known = {f.name for f in fields(self)}
        for name in overrides:
            if name not in known:
                shown = name[:40]
                raise InvalidSampling(
                    f"{shown} is not a sampling parameter; known are {', '.join(sorted(known))}.", field=shown
                )
        given = {k: v for k, v in overrides.items() if v is not None}
        if isinstance(given.get("stop"), list):
            given["stop"] = tuple(given["stop"])  # type: ignore[arg-type]
        return replace(self, **given)  # type: ignore[arg-type]

    def as_dict(self) -> dict[str, object]:
        """All fields as JSON-compatible values."""
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"stop": list(self.stop)}


OVERRIDES = frozenset(f.name for f in fields(SamplingParams)) - {"ignore_eos"}  # of a conversation or a request


def check_overrides(given: Mapping[str, object]) -> None:
    """Raise :class:`InvalidSampling` for a parameter that a conversation can't have, or a value out of range."""
    for name in given:
        if name not in OVERRIDES:
            shown = name[:40]
            raise InvalidSampling(f"{shown} can't be set; known are {', '.join(sorted(OVERRIDES))}.", field=shown)
    SamplingParams().merged(given)


def _in_range(
    name: str, value: object, low: float, high: float, *, above_low: bool = False, whole: bool = False
) -> None:
    kinds: tuple[type, ...] = (int,) if whole else (int, float)
    good = (
        isinstance(value, kinds)
        and not isinstance(value, bool)
        and low <= value <= high  # type: ignore[operator]  # false for NaN
        and not (above_low and value == low)
    )
    if not good:
        number = "whole number" if whole else "number"
        least = f"more than {low:g}" if above_low else f"at least {low:g}"
        raise InvalidSampling(f"{name} must be a {number}, {least} and at most {high:g}.", field=name)


def _are_stops(given: object) -> bool:
    return (
        isinstance(given, tuple)
        and len(given) <= MAX_STOPS
        and all(isinstance(stop, str) and 0 < len(stop) <= MAX_STOP_CHARS for stop in given)
    )
