"""Schemas of HTTP requests and responses. Requests refuse unknown fields; responses are built from domain values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.domain import messages as domain
from app.domain.feedback import Ranking, Rating, Verdict
from app.domain.limits import MAX_COMMENT_CHARS, MAX_MESSAGE_CHARS, MAX_SYSTEM_PROMPT_CHARS, MAX_TITLE_CHARS
from app.models.references import MAX_REFERENCE_CHARS, with_adapter

MAX_ID_CHARS = 64


def _storable(text: str) -> str:
    """Refuse characters that JSON or SQLite can't store: lone surrogates and NUL."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("the text holds half of a character (a lone surrogate)") from None
    if "\0" in text:
        raise ValueError("the text holds a NUL character")
    return text


Text = Annotated[str, AfterValidator(_storable)]
Id = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARS), AfterValidator(_storable)]
ModelRef = Annotated[str, Field(min_length=1, max_length=MAX_REFERENCE_CHARS), AfterValidator(_storable)]
Content = Annotated[str, Field(max_length=MAX_MESSAGE_CHARS), AfterValidator(_storable)]
ShortText = Annotated[str, Field(max_length=MAX_COMMENT_CHARS), AfterValidator(_storable)]  # a comment or note
Title = Annotated[str, Field(max_length=MAX_TITLE_CHARS), AfterValidator(_storable)]
SystemPrompt = Annotated[str, Field(max_length=MAX_SYSTEM_PROMPT_CHARS), AfterValidator(_storable)]


class Request(BaseModel):
    """A request body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class SamplingOverrides(Request):
    """Sampling parameters that override the model's defaults; ranges are those of ``SamplingParams``."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    max_new_tokens: int | None = None
    seed: int | None = None
    stop: list[Text] | None = None
    thinking: bool | None = None
    thinking_tokens: int | None = None

    def overrides(self) -> dict[str, object]:
        """The parameters that were given."""
        return {k: v for k, v in self.model_dump().items() if v is not None}


def _overrides(sampling: SamplingOverrides | None) -> dict[str, object]:
    return sampling.overrides() if sampling else {}


class ConversationCreate(Request):
    """A new conversation; all fields are optional."""

    title: Title = ""
    model_id: ModelRef | None = None
    system_prompt: SystemPrompt = ""
    sampling: SamplingOverrides | None = None
    allow_training: bool | None = None

    def settings(self) -> dict[str, Any]:
        """Keyword arguments for ``ConversationService.create``."""
        return {**self.model_dump(exclude={"sampling"}), "sampling": _overrides(self.sampling)}


class ConversationUpdate(Request):
    """Changes to a conversation; omitted fields stay unchanged."""

    title: Title | None = None
    model_id: ModelRef | None = None
    system_prompt: SystemPrompt | None = None
    sampling: SamplingOverrides | None = None
    sampling_changes: SamplingOverrides | None = None
    pinned: bool | None = None
    allow_training: bool | None = None
    leaf_id: Id | None = None

    def changes(self) -> dict[str, Any]:
        """The fields that were given. ``sampling`` replaces all overrides, ``sampling_changes`` those that it names."""
        given = self.model_dump(exclude_unset=True, exclude={"sampling"})
        if "sampling" in self.model_fields_set:
            given["sampling"] = _overrides(self.sampling)
        nullable = {"model_id"}
        return {k: v for k, v in given.items() if v is not None or k in nullable}


class Ask(Request):
    """A user message to answer, after the reply `parent_id` (null for the first message)."""

    content: Content
    parent_id: Id | None = None
    model_id: ModelRef | None = None
    sampling: SamplingOverrides | None = None


class Edit(Request):
    """The new text of a question."""

    content: Content
    model_id: ModelRef | None = None
    sampling: SamplingOverrides | None = None


class Regenerate(Request):
    """Options for another version of a reply; defaults are the conversation's settings."""

    model_id: ModelRef | None = None
    sampling: SamplingOverrides | None = None


class ConversationPublic(BaseModel):
    """A conversation without its messages."""

    id: str
    title: str
    model_id: str | None
    system_prompt: str
    sampling: dict[str, Any]
    leaf_id: str | None
    pinned: bool
    allow_training: bool
    dataset_file: str | None  # of a row of imported training data; null: a chat
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, c: domain.Conversation) -> ConversationPublic:
        """From a domain conversation."""
        return cls(**conversation_json(c))


class ErrorPublic(BaseModel):
    """The error with which a reply ended."""

    code: str
    message: str
    details: dict[str, Any]


class RatingPublic(BaseModel):
    """The current rating of a message."""

    message_id: str
    verdict: str
    reasons: list[str]
    comment: str
    score: int | None


class RankingItemPublic(BaseModel):
    """A reply's place in a ranking, and what was shown of its model and settings."""

    message_id: str
    rank: int | None
    position: int | None
    settings: dict[str, Any]


class RankingPublic(BaseModel):
    """A ranking; `open`: shown side by side, and not ranked yet."""

    id: str
    conversation_id: str
    prompt_id: str | None
    source: str
    items: list[RankingItemPublic]
    blind: bool
    both_bad: bool
    open: bool
    withdrawn: bool
    created_at: datetime


class MessagePublic(BaseModel):
    """A message with its provenance, finish reason and rating."""

    id: str
    conversation_id: str
    parent_id: str | None
    role: str
    content: str
    reasoning: str
    state: str
    created_at: datetime
    finish_reason: str | None
    error: ErrorPublic | None
    continues_id: str | None
    corrects_id: str | None
    model_id: str | None
    imported_model: str | None
    dropped_turns: int
    provenance: dict[str, Any] | None
    usage: dict[str, int]
    timing: dict[str, int | None]
    rating: RatingPublic | None


class ConversationDetail(ConversationPublic):
    """A conversation with all messages of its tree, oldest first; `event_id` continues from here in `/events`."""

    event_id: str
    messages: list[MessagePublic]
    rankings: list[RankingPublic]  # the reader's own


class Asked(BaseModel):
    """A question and the reply that is being generated."""

    question: MessagePublic
    reply: MessagePublic


class Replied(BaseModel):
    """A reply that is being generated."""

    reply: MessagePublic


def conversation_json(c: domain.Conversation) -> dict[str, Any]:
    """The fields of :class:`ConversationPublic` as a JSON-ready dictionary."""
    return {
        "id": c.id,
        "title": c.title,
        "model_id": c.model_id,
        "system_prompt": c.system_prompt,
        "sampling": dict(c.sampling),
        "leaf_id": c.leaf_id,
        "pinned": c.pinned,
        "allow_training": c.allow_training,
        "dataset_file": c.dataset_file,
        "created_at": c.created_at.isoformat(),
        "updated_at": c.updated_at.isoformat(),
    }


def rating_json(rating: Rating) -> dict[str, Any]:
    """The fields of :class:`RatingPublic` as a JSON-ready dictionary."""
    return {
        "message_id": rating.message_id,
        "verdict": rating.verdict.value,
        "reasons": list(rating.reasons),
        "comment": rating.comment,
        "score": rating.score,
    }


def ranking_json(ranking: Ranking) -> dict[str, Any]:
    """The fields of :class:`RankingPublic` as a JSON-ready dictionary."""
    return {
        "id": ranking.id,
        "conversation_id": ranking.conversation_id,
        "prompt_id": ranking.prompt_id,
        "source": ranking.source.value,
        "items": [
            {"message_id": x.message_id, "rank": x.rank, "position": x.position, "settings": dict(x.settings)}
            for x in ranking.items
        ],
        "blind": ranking.blind,
        "both_bad": ranking.both_bad,
        "open": ranking.is_open,
        "withdrawn": ranking.withdrawn,
        "created_at": ranking.created_at.isoformat(),
    }


def message_json(m: domain.Message, rating: Rating | None = None) -> dict[str, Any]:
    """The fields of :class:`MessagePublic` as a JSON-ready dictionary."""
    origin = m.provenance
    return {
        "id": m.id,
        "conversation_id": m.conversation_id,
        "parent_id": m.parent_id,
        "role": m.role.value,
        "content": m.content,
        "reasoning": m.reasoning,
        "state": m.state.value,
        "created_at": m.created_at.isoformat(),
        "finish_reason": m.finish_reason.value if m.finish_reason else None,
        "error": _error_json(m) if m.error_code else None,
        "continues_id": m.continues_id,
        "corrects_id": m.corrects_id,
        "model_id": with_adapter(origin.model_id, origin.adapter) if origin else None,
        "imported_model": m.imported_model,
        "dropped_turns": origin.dropped_turns if origin else 0,
        "provenance": _provenance_json(origin) if origin else None,
        "usage": {
            "prompt_tokens": m.usage.prompt_tokens,
            "completion_tokens": m.usage.completion_tokens,
            "cached_tokens": m.usage.cached_tokens,
        },
        "timing": {
            "queued_ms": m.timing.queued_ms,
            "first_token_ms": m.timing.first_token_ms,
            "duration_ms": m.timing.duration_ms,
            "thinking_ms": m.timing.thinking_ms,
        },
        "rating": rating_json(rating) if rating and rating.verdict is not Verdict.RETRACTED else None,
    }


def _error_json(m: domain.Message) -> dict[str, Any]:
    return {"code": m.error_code, "message": m.error_message or "", "details": dict(m.error_details)}


def _provenance_json(p: domain.Provenance) -> dict[str, Any]:
    sampling: Mapping[str, object] = p.sampling
    return {
        "model_id": p.model_id,
        "model_digest": p.model_digest,
        "family": p.family,
        "engine": p.engine,
        "quantization": p.quantization,
        "adapter": p.adapter,
        "sampling": dict(sampling),
        "prompt_digest": p.prompt_digest,
        "system_prompt": p.system_prompt,
    }
