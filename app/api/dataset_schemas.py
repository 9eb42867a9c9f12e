"""Request and response bodies of datasets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field

from app.api.schemas import Id, ModelRef, Request, Text
from app.domain.splits import Shares
from app.domain.training_rows import RowKind
from app.export.base import Format
from app.feedback.datasets.preview import Preview
from app.feedback.datasets.service import ShownDataset
from app.feedback.datasets.spec import DEFAULT_FORMATS, DatasetSpec, Filters

_Word = Annotated[Text, Field(min_length=1, max_length=64)]
_Time = Annotated[AwareDatetime, Field(strict=False)]
MAX_VALUES = 1_000  # of one filter


class DatasetFilters(Request):
    """Which judgements and rows a dataset is made of; empty fields take all."""

    conversations: list[Id] = Field(default=[], max_length=MAX_VALUES)
    raters: list[Id] = Field(default=[], max_length=MAX_VALUES)
    since: _Time | None = None
    until: _Time | None = None
    accepted_only: bool = False
    models: list[ModelRef] = Field(default=[], max_length=MAX_VALUES)
    adapters: list[_Word] = Field(default=[], max_length=MAX_VALUES)
    sources: list[_Word] = Field(default=[], max_length=MAX_VALUES)
    reasons: list[_Word] = Field(default=[], max_length=MAX_VALUES)
    languages: list[_Word] = Field(default=[], max_length=MAX_VALUES)
    min_score: int | None = Field(None, ge=1, le=10)
    kinds: list[RowKind] = Field(default=[], max_length=len(RowKind))

    def filters(self) -> Filters:
        """The filters as domain values."""
        return Filters.from_dict(self.model_dump(mode="json", exclude_none=True))


class PreviewDataset(Request):
    """A dataset to look at before it is built."""

    formats: list[_Word] = Field(default=list(DEFAULT_FORMATS), min_length=1, max_length=100)
    filters: DatasetFilters = DatasetFilters()
    validation_share: float = Field(Shares().validation, ge=0, lt=1)
    test_share: float = Field(Shares().test, ge=0, lt=1)
    scrub: bool = False
    reasoning: bool = False

    def spec(self, name: str = "preview") -> DatasetSpec:
        """The specification as domain values."""
        shares = Shares(self.validation_share, self.test_share)
        return DatasetSpec(name, tuple(self.formats), self.filters.filters(), shares, self.scrub, self.reasoning)


class BuildDataset(PreviewDataset):
    """A dataset to build."""

    name: _Word


class FormatPublic(BaseModel):
    """A format, and the kinds of rows that it is made of."""

    name: str
    description: str
    kinds: list[RowKind]


class DatasetPublic(BaseModel):
    """A dataset; `rows` by format, `stale`: judgements that it should not contain any more, by reason."""

    name: str
    created_at: datetime
    formats: list[str]
    rows: dict[str, int]
    judgements: int
    conversations: int
    stale: dict[str, int]


class DatasetDetails(DatasetPublic):
    """A dataset with its manifest."""

    manifest: dict[str, Any]


class DatasetList(BaseModel):
    """The datasets, newest first, and the formats that there are."""

    items: list[DatasetPublic]
    formats: list[FormatPublic]


class FormatPreview(BaseModel):
    """How many rows a format would have, and the first ones."""

    rows: int
    examples: list[dict[str, Any]]


class DatasetPreview(BaseModel):
    """What a dataset would contain; not `complete`: only the first conversations were read."""

    conversations_read: int
    conversations: int
    rows: dict[str, int]
    dropped: dict[str, dict[str, int]]
    filtered_judgements: dict[str, int]
    filtered_rows: dict[str, int]
    unrepresentable: dict[str, int]
    personal_data: dict[str, int]
    newest_judgement_at: datetime | None
    formats: dict[str, FormatPreview]
    complete: bool


def dataset_json(shown: ShownDataset) -> dict[str, Any]:
    """The fields of :class:`DatasetDetails`."""
    manifest = shown.dataset.manifest
    return {
        "name": shown.dataset.name,
        "created_at": shown.dataset.created_at,
        "formats": manifest["formats"],
        "rows": _rows(manifest),
        "judgements": manifest["judgements"],
        "conversations": manifest["conversations"],
        "stale": {reason.value: n for reason, n in sorted(shown.stale.items())},
        "manifest": dict(manifest),
    }


def format_public(made: Format) -> FormatPublic:
    """A format for the list."""
    return FormatPublic(name=made.name, description=made.description, kinds=list(made.kinds))


def preview_public(preview: Preview) -> DatasetPreview:
    """A preview."""
    return DatasetPreview.model_validate(preview.as_dict())


def _rows(manifest: Mapping[str, Any]) -> dict[str, int]:
    rows = dict.fromkeys(manifest["formats"], 0)
    for file in manifest["files"]:
        if "format" in file:
            rows[file["format"]] += file["rows"]
    return rows
