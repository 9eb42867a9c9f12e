"""What a person asks for: which judgements, which rows, in which formats, split how."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.domain.feedback import MAX_SCORE, REASONS, RankingSource
from app.domain.languages import LANGUAGES
from app.domain.splits import Shares
from app.domain.training_rows import RATINGS, RowKind
from app.errors import InvalidRequest
from app.export.base import Format, get_format

DEFAULT_FORMATS = ("trl_pairs", "trl_unpaired", "trl_sft", "trl_prompts")
SOURCES = (RATINGS, *RankingSource)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which judgements and rows a dataset is made of; empty fields take all. Times are UTC."""

    conversations: tuple[str, ...] = ()  # ids
    raters: tuple[str, ...] = ()  # user ids
    since: datetime | None = None  # judgements given at this time or later
    until: datetime | None = None  # … before this time
    accepted_only: bool = False  # judgements that an administrator accepted
    models: tuple[str, ...] = ()  # rows in which one of these models wrote a reply
    adapters: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()  # of SOURCES
    reasons: tuple[str, ...] = ()  # rows for which one of these reasons was given
    languages: tuple[str, ...] = ()  # of the last question, codes of app.domain.languages
    min_score: int | None = None  # of replies that are preferred or imitated, 1 … 10
    kinds: tuple[RowKind, ...] = ()

    def check(self) -> None:
        """Raise :class:`InvalidRequest` for values that can't match anything."""
        for name, given, known in (
            ("source", self.sources, SOURCES),
            ("reason", self.reasons, REASONS),
            ("language", self.languages, LANGUAGES),
        ):
            unknown = [value for value in given if value not in known]
            if unknown:
                raise InvalidRequest(f"There is no {name} {unknown[0]!r}. Choose of: {', '.join(known)}.", field=name)
        if self.min_score is not None and not 1 <= self.min_score <= MAX_SCORE:
            raise InvalidRequest(f"The minimum score must be from 1 to {MAX_SCORE}.", field="min_score")
        if self.since and self.until and self.since >= self.until:
            raise InvalidRequest("The first day must be before the last.", field="until")

    def as_dict(self) -> dict[str, Any]:
        """The filters that are set, as JSON."""
        given = {
            name: list(map(str, value))
            for name, value in (
                ("conversations", self.conversations),
                ("raters", self.raters),
                ("models", self.models),
                ("adapters", self.adapters),
                ("sources", self.sources),
                ("reasons", self.reasons),
                ("languages", self.languages),
                ("kinds", self.kinds),
            )
            if value
        }
        times = {name: at.isoformat() for name, at in (("since", self.since), ("until", self.until)) if at}
        accepted = {"accepted_only": True} if self.accepted_only else {}
        score = {"min_score": self.min_score} if self.min_score is not None else {}
        return {**given, **times, **accepted, **score}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Filters:
        """The filters that :meth:`as_dict` wrote."""
        values: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in given.items()}
        for name in ("since", "until"):
            if name in values:
                values[name] = datetime.fromisoformat(values[name]).astimezone(UTC)
        return cls(**{**values, "kinds": tuple(map(RowKind, values.get("kinds", ())))})


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """A dataset to build. The same spec and the same log give the same files, byte by byte."""

    name: str
    formats: tuple[str, ...] = DEFAULT_FORMATS
    filters: Filters = field(default_factory=Filters)
    shares: Shares = field(default_factory=Shares)
    scrub: bool = False  # replace personal data
    reasoning: bool = False  # with what models thought, in columns of their own

    def check(self) -> None:
        """Raise :class:`InvalidRequest` for what can't be built."""
        check_name(self.name)
        self.filters.check()
        self.shares.check()
        if not self.formats:
            raise InvalidRequest("Choose at least one format.", field="format")
        for made in self.chosen():
            if self.filters.kinds and not set(made.kinds) & set(self.filters.kinds):
                needed = ", ".join(made.kinds)
                raise InvalidRequest(
                    f"The format {made.name} is made of rows of the kind {needed}, which the filters leave out.",
                    field="kinds",
                )

    def chosen(self) -> list[Format]:
        """The formats, each once, in the order of their names. Raises :class:`InvalidRequest` for an unknown one."""
        return [get_format(name) for name in sorted(set(self.formats))]

    @property
    def kinds(self) -> frozenset[RowKind]:
        """The kinds of rows that the files are made of."""
        needed = frozenset(kind for made in self.chosen() for kind in made.kinds)
        return needed & frozenset(self.filters.kinds or RowKind)

    def as_dict(self) -> dict[str, Any]:
        """The spec as JSON."""
        return {
            "name": self.name,
            "formats": [made.name for made in self.chosen()],
            "filters": self.filters.as_dict(),
            "shares": {"validation": self.shares.validation, "test": self.shares.test},
            "scrub": self.scrub,
            "reasoning": self.reasoning,
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> DatasetSpec:
        """The spec that :meth:`as_dict` wrote."""
        return cls(
            given["name"],
            tuple(given["formats"]),
            Filters.from_dict(given["filters"]),
            Shares(**given["shares"]),
            given["scrub"],
            given["reasoning"],
        )


def check_name(name: str) -> None:
    """Raise :class:`InvalidRequest` unless `name` can be a folder's and a repository's name."""
    if not _NAME.fullmatch(name) or ".." in name or name.endswith((".", "-")):
        raise InvalidRequest(
            f"{name!r} can't be the name of a dataset. Use up to 64 Latin letters, digits, '-', '_' and '.', beginning "
            "with a letter or digit.",
            field="name",
        )
