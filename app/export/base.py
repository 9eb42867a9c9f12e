"""What an export format is, and how the formats are found."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import Any

import app.export
from app.domain.feedback import ConversationFeedback
from app.domain.training_rows import Prompt, RowKind, TrainingRows
from app.errors import ConfigurationError, InvalidRequest

Row = dict[str, Any]
ALL_KINDS = tuple(RowKind)


class Layout(StrEnum):
    """How the rows of a file are laid out; the value is the extension of its name."""

    LINES = "jsonl"  # a JSON object per line
    ARRAY = "json"  # one JSON array
    TEXT = "md"  # the text in each row's only column, ``text``

    @property
    def start(self) -> bytes:
        """What comes before the first row of a file."""
        return b"[\n" if self is Layout.ARRAY else b""

    @property
    def between(self) -> bytes:
        """What comes between two rows."""
        return {Layout.LINES: b"\n", Layout.ARRAY: b",\n", Layout.TEXT: b""}[self]

    @property
    def end(self) -> bytes:
        """What comes after the last row of a file."""
        return {Layout.LINES: b"\n", Layout.ARRAY: b"\n]\n", Layout.TEXT: b""}[self]


@dataclass(frozen=True, slots=True)
class Source:
    """What one conversation contributes to a dataset: a format takes from it what it needs."""

    feedback: ConversationFeedback
    rows: TrainingRows
    prompts: Sequence[Prompt] = ()  # of these rows; each prompt once in a dataset


@dataclass(frozen=True, slots=True)
class Options:
    """What a person can choose about the rows of all formats."""

    reasoning: bool = False  # with what a model thought before it answered, in a column of its own


@dataclass(frozen=True, slots=True)
class Format:
    """An export format: the ``FORMAT`` of a module in this package, found by :func:`find_formats`."""

    name: str  # the value of ``--format``
    description: str  # what the rows contain and what they are for
    kinds: tuple[RowKind, ...]  # what it is made of
    # The rows of one conversation, JSON-compatible, in an order that depends only on the data, all with the same
    # columns in the same order, and no null, so that readers can infer the types. None: the format can't express it.
    rows: Callable[[Source, Options], Iterable[Row | None]]
    layout: Layout = Layout.LINES
    dataset_info: Mapping[str, Any] | None = None  # its entry in LLaMA-Factory's dataset_info.json, without a file name


def encoded(row: Row, layout: Layout) -> bytes:
    """A row as it is written to a file of this layout, without what stands between rows."""
    if layout is Layout.TEXT:
        return str(row["text"]).encode()
    return json.dumps(row, ensure_ascii=False, allow_nan=False).encode()


def find_formats(package: ModuleType = app.export) -> dict[str, Format]:
    """Every format of `package` by name. Raises :class:`ConfigurationError` when two modules have the same name."""
    found: dict[str, tuple[Format, str | None]] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda i: i.name):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        made = getattr(module, "FORMAT", None)
        if not isinstance(made, Format):
            continue
        if made.name in found:
            raise ConfigurationError(
                f"Two files give the export format {made.name}: {found[made.name][1]} and {module.__file__}. "
                "Rename one of them."
            )
        found[made.name] = (made, module.__file__)
    return {name: made for name, (made, _) in found.items()}


def get_format(name: str) -> Format:
    """The format called `name`. Raises :class:`InvalidRequest` with the available ones."""
    formats = find_formats()
    if name not in formats:
        raise InvalidRequest(f"There is no format {name!r}. Choose one of: {', '.join(formats)}.", field="format")
    return formats[name]
