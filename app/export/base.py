"""The interface of export formats, their discovery, and helpers that they share."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import app.export
from app.domain.feedback import ConversationFeedback
from app.domain.messages import Message, Turn
from app.domain.training_rows import Drops
from app.errors import ConfigurationError, InvalidRequest

Row = dict[str, Any]


@runtime_checkable
class Format(Protocol):
    """An export format: the ``FORMAT`` of a module in this package, found by :func:`find_formats`."""

    @property
    def name(self) -> str:
        """The value of ``--format``."""

    @property
    def description(self) -> str:
        """What the rows contain and what they are for."""

    def rows(self, conversations: Iterable[ConversationFeedback], drops: Drops) -> Iterator[Row]:
        """JSON-compatible rows in an order that depends only on the data; dropped replies are counted in `drops`."""


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


def chat(turns: Sequence[Turn]) -> list[dict[str, str]]:
    """Turns as the messages of a chat template."""
    return [{"role": str(t.role), "content": t.content} for t in turns]


def reply(message: Message) -> list[dict[str, str]]:
    """A reply as the messages of a chat template."""
    return [{"role": str(message.role), "content": message.content}]


def origin(message: Message, prefix: str = "") -> Row:
    """A reply's provenance as columns, whose names start with `prefix`; empty, with seed -1, for an imported reply."""
    made = message.provenance
    seed = made.sampling.get("seed") if made else None
    return {
        f"{prefix}model_id": made.model_id if made else "",
        f"{prefix}model_digest": made.model_digest if made else "",
        f"{prefix}quantization": made.quantization if made else "",
        f"{prefix}prompt_digest": made.prompt_digest if made else "",
        f"{prefix}seed": seed if isinstance(seed, int) else -1,
    }


def time(at: datetime) -> str:
    """ISO 8601, UTC."""
    return at.isoformat(timespec="milliseconds")
