"""Strict reader for TOML tables: checks the type of every value and refuses unknown keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.errors import InvalidManifest

_MAX_TEXT_CHARS = 4000
_UNWANTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")  # control characters, except tab and newline


class Table:
    """One table of a manifest. Each reading method removes its key; ``finish`` refuses remaining keys.

    Every method raises :class:`InvalidManifest`, which names the file, the key and the expected value.
    """

    def __init__(self, path: Path, name: str, values: object) -> None:
        if not isinstance(values, Mapping):
            raise InvalidManifest(f"{path}: {name} must be a table.", path=str(path), key=name)
        self._path = path
        self._name = name
        self._values: dict[str, Any] = dict(values)
        self._known: set[str] = set()

    @property
    def path(self) -> Path:
        """The manifest's file."""
        return self._path

    def fail(self, key: str, expected: str) -> InvalidManifest:
        """Make the error for `key`; `expected` completes the sentence "<key> must be …"."""
        full = f"{self._name}.{key}" if self._name else key
        return InvalidManifest(f"{self._path}: {full} must be {expected}.", path=str(self._path), key=full)

    def _take(self, key: str) -> Any:
        self._known.add(key)
        return self._values.pop(key, None)

    def has(self, key: str) -> bool:
        """Whether the table has `key` and it was not read yet."""
        return key in self._values

    def text(
        self, key: str, default: str | None = None, *, pattern: re.Pattern[str] | None = None, hint: str = ""
    ) -> str:
        """A string; `pattern` must match all of it, and `hint` describes what it requires."""
        value = self._take(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value.strip() or len(value) > _MAX_TEXT_CHARS or _UNWANTED.search(value):
            raise self.fail(key, hint or f"text of 1 to {_MAX_TEXT_CHARS} characters")
        if pattern is not None and pattern.fullmatch(value) is None:
            raise self.fail(key, hint)
        return value

    def choice(self, key: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        """One of `allowed`."""
        value = self._take(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or value not in allowed:
            raise self.fail(key, "one of: " + ", ".join(allowed))
        return value

    def whole(self, key: str, low: int, high: int) -> int | None:
        """An integer from `low` to `high`; ``None`` if the key is missing."""
        value = self._take(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(key, f"a whole number from {low} to {high}")
        return value

    def flag(self, key: str) -> bool:
        """True or false; false if the key is missing."""
        value = self._take(key)
        if value is not None and not isinstance(value, bool):
            raise self.fail(key, "true or false")
        return bool(value)

    def texts(self, key: str, *, pattern: re.Pattern[str], hint: str) -> tuple[str, ...]:
        """A list of strings, each matching `pattern`; empty if the key is missing."""
        value = self._take(key)
        if value is None:
            return ()
        good = isinstance(value, list) and all(isinstance(v, str) and pattern.fullmatch(v) for v in value)
        if not good or len(set(value)) != len(value):
            raise self.fail(key, f"a list without duplicates, each {hint}")
        return tuple(value)

    def table(self, key: str) -> Table:
        """The table below `key`; an empty one if the key is missing."""
        value = self._take(key)
        return Table(self._path, self._child(key), {} if value is None else value)

    def tables(self, key: str) -> list[Table]:
        """The list of tables below `key` (``[[key]]``); empty if the key is missing."""
        value = self._take(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.fail(key, f"a list of tables: write [[{self._child(key)}]]")
        return [Table(self._path, f"{self._child(key)}[{i}]", item) for i, item in enumerate(value)]

    def rest(self) -> dict[str, Any]:
        """All entries not read yet, for a caller that checks the keys itself."""
        values, self._values = self._values, {}
        return values

    def finish(self) -> None:
        """Refuse unknown keys, so that a misspelt key is not silently ignored."""
        if not self._values:
            return
        unknown = sorted(self._values)[0]
        where = f" in {self._name}" if self._name else ""
        raise InvalidManifest(
            f"{self._path}: unknown key {unknown!r}{where}; allowed there: {', '.join(sorted(self._known))}.",
            path=str(self._path),
            key=unknown,
        )

    def _child(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key
