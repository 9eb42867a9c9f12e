"""Response bodies of imports."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from app.api.schemas import ConversationPublic, conversation_json
from app.chat.transfer.import_report import ImportReport


class NamedChat(BaseModel):
    """A conversation by id and title."""

    id: str
    title: str


class SkippedItem(BaseModel):
    """A chat or file of an import that was skipped; `name` is the file's inside an archive."""

    reason: str
    name: str
    title: str


class ImportReportPublic(BaseModel):
    """What an import took, and by reason the numbers of what it did not."""

    conversations: list[NamedChat]  # the first thousand chats
    chats: int
    rows: int  # of datasets: conversations that are not listed
    messages: int
    ratings: int
    rankings: int
    known: int  # chats and rows that were there already
    left_out: dict[str, int]  # messages
    changed: dict[str, int]
    skipped: dict[str, int]  # chats and files; the first hundred are in `skipped_items`
    skipped_items: list[SkippedItem]
    stopped: dict[str, Any] | None  # the error after which nothing more was stored


class ConversationImported(ConversationPublic):
    """The conversation with the newest message of an import, and the report about all of them."""

    report: ImportReportPublic


def imported_json(report: ImportReport) -> dict[str, Any]:
    """The fields of :class:`ConversationImported` as a JSON-ready dictionary."""
    told = {
        "conversations": [{"id": c.id, "title": c.title} for c in report.listed],
        **{name: getattr(report, name) for name in ("chats", "rows", "messages", "ratings", "rankings", "known")},
        "left_out": dict(report.left_out),
        "changed": dict(report.changed),
        "skipped": dict(report.skipped),
        "skipped_items": list(report.named),
        "stopped": report.stopped.payload() if report.stopped else None,
    }
    assert report.newest is not None, "without one the import has failed"
    return {**conversation_json(report.newest), "report": told}
