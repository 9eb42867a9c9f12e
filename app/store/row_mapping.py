"""Maps database rows to domain objects and back. A damaged row raises :class:`~app.store.damage.DamagedRow`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar, get_args

from app.domain.datasets import Dataset, LogPosition
from app.domain.feedback import Decision, RankedReply, Ranking, RankingSource, Rating, Review, Verdict, ranked
from app.domain.generation import FinishReason, Usage
from app.domain.jobs import Job, JobError, JobProgress, JobState
from app.domain.messages import Conversation, Message, MessageState, Provenance, Role, Timing
from app.errors import DatabaseDamaged
from app.store.column_types import Json, UtcDateTime
from app.store.damage import Damaged, DamagedRow
from app.store.tables import (
    ApiKeyRow,
    AuditRow,
    Base,
    ConversationRow,
    DatasetRow,
    JobRow,
    MessageRow,
    OneTimeLinkRow,
    RankingItemRow,
    RankingRow,
    RatingRow,
    ReviewRow,
    SessionRow,
    ShareRow,
    UserRow,
)
from app.store.text_checks import checked, checked_json

E = TypeVar("E", bound=StrEnum)


def _allowed(row: type[Base]) -> tuple[tuple[str, tuple[type, ...]], ...]:
    """The Python types of each column's values."""
    allowed = []
    for column in row.__table__.columns:
        kind = column.type.kind if isinstance(column.type, Json | UtcDateTime) else column.type.python_type
        allowed.append((column.name, (kind, type(None)) if column.nullable else (kind,)))
    return tuple(allowed)


_Feedback = RatingRow | RankingRow | RankingItemRow | ReviewRow
_People = UserRow | SessionRow | ApiKeyRow | OneTimeLinkRow | AuditRow
_Row = _People | ShareRow | ConversationRow | MessageRow | _Feedback | JobRow | DatasetRow
_ALLOWED = {row: _allowed(row) for row in get_args(_Row)}


def require_legible(row: _Row) -> None:
    """Raise :class:`DamagedRow` if a value of `row` is not what its column holds."""
    for name, types in _ALLOWED[type(row)]:
        value = getattr(row, name)
        if not isinstance(value, types):
            reason = value.reason if isinstance(value, Damaged) else f"it is a {type(value).__name__}"
            raise DamagedRow(row.__tablename__, _id_of(row), name, reason)


def _id_of(row: _Row) -> str:
    if isinstance(row, AuditRow):
        return str(row.sequence)
    return row.ranking_id if isinstance(row, RankingItemRow) else row.id


def one_of(kind: type[E], row: _Row, name: str) -> E:
    """The column `name` as a value of an enumeration. Raises :class:`DamagedRow`."""
    value = getattr(row, name)
    try:
        return kind(value)
    except ValueError:
        raise DamagedRow(row.__tablename__, _id_of(row), name, f"{str(value)[:20]!r} is unknown") from None


def conversation_from(row: ConversationRow) -> Conversation:
    """The conversation of a row."""
    require_legible(row)
    return Conversation(
        id=row.id,
        user_id=row.user_id,
        title=row.title,
        model_id=row.model_id,
        system_prompt=row.system_prompt,
        sampling=row.sampling,
        leaf_id=row.leaf_id,
        pinned=row.pinned,
        created_at=row.created_at,
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
        allow_training=row.allow_training,
        dataset_file=row.dataset_file,
    )


def message_from(row: MessageRow) -> Message:
    """The message of a row."""
    require_legible(row)
    return Message(
        id=row.id,
        conversation_id=row.conversation_id,
        parent_id=row.parent_id,
        role=one_of(Role, row, "role"),
        content=row.content,
        state=one_of(MessageState, row, "state"),
        created_at=row.created_at,
        finish_reason=one_of(FinishReason, row, "finish_reason") if row.finish_reason else None,
        error_code=row.error_code,
        error_message=row.error_message,
        error_details=row.error_details or {},
        imported_model=row.imported_model,
        continues_id=row.continues_id,
        corrects_id=row.corrects_id,
        provenance=_provenance_from(row),
        usage=Usage(row.prompt_tokens, row.completion_tokens, row.cached_tokens),
        timing=Timing(row.queued_ms, row.first_token_ms, row.duration_ms, row.thinking_ms),
        reasoning=row.reasoning,
    )


def stand_in(row: MessageRow, found: DamagedRow) -> Message:
    """In place of a damaged message: failed and empty, so that those below it keep their place in the tree."""
    return Message(
        id=row.id,
        conversation_id=row.conversation_id,
        parent_id=row.parent_id if isinstance(row.parent_id, str) else None,
        role=Role.USER if row.role == Role.USER else Role.ASSISTANT,
        content="",
        state=MessageState.FAILED,
        created_at=row.created_at if isinstance(row.created_at, datetime) else datetime.fromtimestamp(0, UTC),
        error_code=DatabaseDamaged.code,
        error_message=f"This message can't be shown: {found}.",
    )


def _provenance_from(row: MessageRow) -> Provenance | None:
    if row.model_id is None:
        return None
    return Provenance(
        model_id=row.model_id,
        model_digest=row.model_digest or "",
        family=row.family or "",
        engine=row.engine or "",
        quantization=row.quantization or "",
        sampling=row.sampling or {},
        prompt_digest=row.prompt_digest or "",
        adapter=row.adapter,
        dropped_turns=row.dropped_turns,
        system_prompt=row.system_prompt or "",
    )


def provenance_columns(provenance: Provenance | None) -> dict[str, Any]:
    """The columns that hold `provenance`."""
    if provenance is None:
        return {"dropped_turns": 0}
    checked_json(dict(provenance.sampling), "sampling")
    return {
        "model_id": checked(provenance.model_id, "model id"),
        "model_digest": provenance.model_digest,
        "family": provenance.family,
        "engine": provenance.engine,
        "quantization": provenance.quantization,
        "sampling": dict(provenance.sampling),
        "prompt_digest": provenance.prompt_digest,
        "adapter": provenance.adapter,
        "dropped_turns": provenance.dropped_turns,
        "system_prompt": checked(provenance.system_prompt, "system prompt"),
    }


def usage_columns(usage: Usage) -> dict[str, int]:
    """The columns that hold `usage`."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "cached_tokens": usage.cached_tokens,
    }


def timing_columns(timing: Timing) -> Mapping[str, int | None]:
    """The columns that hold `timing`."""
    return {
        "queued_ms": timing.queued_ms,
        "first_token_ms": timing.first_token_ms,
        "duration_ms": timing.duration_ms,
        "thinking_ms": timing.thinking_ms,
    }


def rating_from(row: RatingRow) -> Rating:
    """The rating of a row."""
    require_legible(row)
    return Rating(
        id=row.id,
        message_id=row.message_id,
        user_id=row.user_id,
        verdict=one_of(Verdict, row, "verdict"),
        reasons=tuple(row.reasons),
        comment=row.comment,
        score=row.score,
        created_at=row.created_at,
    )


def ranking_from(row: RankingRow, items: Iterable[RankingItemRow]) -> Ranking:
    """The ranking of a row and of its items, of which it must have at least two."""
    require_legible(row)
    found = []
    for item in items:
        require_legible(item)
        found.append(RankedReply(item.message_id, item.rank, item.position, item.settings))
    if len(found) < 2:
        raise DamagedRow("rankings", row.id, "items", f"{len(found)} of at least 2 replies are left")
    return Ranking(
        id=row.id,
        user_id=row.user_id,
        conversation_id=row.conversation_id,
        prompt_id=row.prompt_id,
        source=one_of(RankingSource, row, "source"),
        items=ranked(found),
        blind=row.blind,
        both_bad=row.both_bad,
        withdrawn=row.withdrawn,
        created_at=row.created_at,
    )


def review_from(row: ReviewRow) -> Review:
    """The review of a row."""
    require_legible(row)
    return Review(
        id=row.id,
        judgement_id=row.rating_id or row.ranking_id or "",
        reviewer_id=row.reviewer_id,
        decision=one_of(Decision, row, "decision"),
        note=row.note,
        created_at=row.created_at,
    )


def job_from(row: JobRow) -> Job:
    """The job of a row."""
    require_legible(row)
    error = row.error_code and JobError(row.error_code, row.error_message or "", row.error_details or {})
    return Job(
        id=row.id,
        user_id=row.user_id,
        kind=row.kind,
        parameters=row.parameters,
        state=one_of(JobState, row, "state"),
        created_at=row.created_at,
        progress=_progress_from(row),
        started_at=row.started_at,
        ended_at=row.ended_at,
        cancel_requested=row.cancel_requested,
        error=error or None,
        result=row.result,
        log=row.log,
    )


def _progress_from(row: JobRow) -> JobProgress | None:
    if row.progress is None:
        return None
    try:
        return JobProgress(**row.progress)
    except TypeError:
        raise DamagedRow(row.__tablename__, row.id, "progress", "it has other fields") from None


def dataset_from(row: DatasetRow) -> Dataset:
    """The dataset of a row."""
    require_legible(row)
    return Dataset(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        created_at=row.created_at,
        spec=row.spec,
        manifest=row.manifest,
        folder=row.folder,
        read_until=LogPosition(row.rating_sequence, row.ranking_sequence, row.review_sequence),
    )
