"""Reads values from a ``config.json`` and validates their presence, type and range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.errors import InvalidImport

Config = Mapping[str, Any]

_MOST = 1 << 24  # limit of all integers: the largest vocabularies have some 2^18 tokens

MOST_LAYERS = 4096


def whole(config: Config, *keys: str, default: int | None = None, most: int = _MOST) -> int:
    """The integer under the first of `keys` that is present. Raises :class:`InvalidImport`."""
    value = next((config[key] for key in keys if config.get(key) is not None), default)
    if type(value) is not int or not 0 < value <= most:
        raise wrong(f"says {keys[0]} = {str(value)[:20]}, which must be a whole number from 1 to {most:,}")
    return value


def number(config: Config, *keys: str, default: float | None = None) -> float:
    """The positive number under the first of `keys` that is present. Raises :class:`InvalidImport`."""
    value = next((config[key] for key in keys if config.get(key) is not None), default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e30:
        raise wrong(f"says {keys[0]} = {str(value)[:20]}, which must be a number above 0")
    return float(value)


def table(config: Config, key: str) -> Config:
    """The table under `key`; empty if missing. Raises :class:`InvalidImport`."""
    value = config.get(key) or {}
    if not isinstance(value, dict):
        raise wrong(f"has a {key} that is not a table")
    return value


def as_table(value: object) -> Config:
    """`value` if it is a table, else an empty one; required keys are then reported as missing."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """`value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def must_be(config: Config, key: str, allowed: tuple[object, ...], default: object) -> None:
    """Raise :class:`InvalidImport` for a setting that llama.cpp doesn't support."""
    value = config.get(key, default)
    if value not in allowed:
        raise wrong(f"says {key} = {str(value)[:40]}, which llama.cpp does not support for this architecture")


def wrong(problem: str) -> InvalidImport:
    """The error for an invalid configuration; `problem` completes the sentence "The model's config.json …"."""
    return InvalidImport(
        f"The model's config.json {problem}. Download the model again, or run it in PyTorch.", file="config.json"
    )
