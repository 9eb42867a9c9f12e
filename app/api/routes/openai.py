"""OpenAI-compatible routes, for other programs. Nothing is stored.

Format: https://platform.openai.com/docs/api-reference/chat. The common extensions ``top_k``, ``min_p``,
``repetition_penalty`` and ``ignore_eos`` are accepted; unsupported features (``n`` > 1, tools, logprobs) are refused
instead of ignored.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.api import sse
from app.api.deps import Services, ServicesDep, UserId
from app.api.disconnect import cancel_on_disconnect
from app.api.schemas import ModelRef, Text
from app.chat.completion import Completion, read_whole
from app.domain.generation import Delta, Finished, FinishReason, Usage
from app.domain.limits import MAX_MESSAGE_CHARS
from app.domain.messages import Role, Turn
from app.errors import InvalidRequest, ParleyError, UnsupportedRequest
from app.models.manifest import Manifest
from app.models.references import with_adapter

router = APIRouter(prefix="/v1", tags=["openai"])


class TextPart(BaseModel):
    """A part of a message; only text is supported."""

    type: Literal["text"]
    text: Text


class ChatMessage(BaseModel):
    """A message of the conversation in OpenAI's format."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[Text, Field(max_length=MAX_MESSAGE_CHARS)] | list[TextPart]

    def turn(self) -> Turn:
        """The message as a domain turn; ``developer`` becomes ``system``."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return Turn(Role.SYSTEM if self.role == "developer" else Role(self.role), text)


class StreamOptions(BaseModel):
    """Options for streaming; ``include_usage`` adds a last chunk with the token counts."""

    include_usage: bool = False


def _finite(value: float | None) -> float | None:
    if value is not None and (value != value or value in (float("inf"), float("-inf"))):
        raise ValueError("must be a finite number")
    return value


Number = Annotated[float | None, AfterValidator(_finite)]


class ChatRequest(BaseModel):
    """A request of ``/v1/chat/completions``; fields not listed here are accepted and have no effect."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    model: ModelRef | None = None
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=10_000)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: Number = None
    top_p: Number = None
    top_k: int | None = None
    min_p: Number = None
    repetition_penalty: Number = None
    seed: int | None = None
    stop: Text | list[Text] | None = None
    ignore_eos: bool = False
    n: int | None = None
    tools: list[Any] | None = None
    logprobs: bool | None = None

    def overrides(self) -> dict[str, object]:
        """The sampling parameters under Parley's names."""
        top_k = 0 if self.top_k == -1 else self.top_k  # vLLM's value for "off"
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": top_k,
            "min_p": self.min_p,
            "repetition_penalty": self.repetition_penalty,
            "seed": self.seed,
            "stop": [self.stop] if isinstance(self.stop, str) else self.stop,
            "max_new_tokens": self.max_completion_tokens or self.max_tokens,
            "ignore_eos": self.ignore_eos,
        }

    def refuse_unsupported(self) -> None:
        """Raises :class:`UnsupportedRequest` for features that Parley does not support."""
        for name, bad in (
            ("n", self.n not in (None, 1)),
            ("tools", bool(self.tools)),
            ("logprobs", bool(self.logprobs)),
        ):
            if bad:
                raise UnsupportedRequest(f"`{name}` is not supported here; leave it out.", field=name)


@router.get("/models")
async def list_models(_: UserId, services: ServicesDep) -> dict[str, Any]:
    """List downloaded chat models, with the variants and adapters to add to the id (``@nf4``, ``+adapter``)."""
    return {"object": "list", "data": [_model_json(manifest) for manifest in services.models.ready_models()]}


def _model_json(m: Manifest) -> dict[str, Any]:
    return {
        "id": m.id,
        "object": "model",
        "created": 0,
        "owned_by": "parley",
        "quantizations": list(m.quantizations),
        "adapters": [adapter.name for adapter in m.adapters],
    }


@router.post("/chat/completions", response_model=None, responses={200: sse.EVENT_STREAM})
async def chat_completions(user_id: UserId, services: ServicesDep, request: Request, body: ChatRequest) -> Response:
    """Generate a reply to the messages, as one response or as a stream."""
    body.refuse_unsupported()
    turns = [message.turn() for message in body.messages]
    if not any(turn.content for turn in turns):
        raise InvalidRequest("All messages are empty.", field="messages")
    if body.stream:
        return await _stream(user_id, services, request, body, turns)
    opened = services.completions.open(user_id, body.model, turns, body.overrides())
    completion, text, finished = await cancel_on_disconnect(request, read_whole(opened))
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": _finish_reason(finished),
        "logprobs": None,
    }
    return JSONResponse({**_head(completion, "chat.completion"), "choices": [choice], "usage": _usage(finished.usage)})


async def _stream(user_id: str, services: Services, request: Request, body: ChatRequest, turns: list[Turn]) -> Response:
    """Errors raised here come before the stream commits status 200; the stream then owns the model lease."""
    async with AsyncExitStack() as stack:
        opened = services.completions.open(user_id, body.model, turns, body.overrides())
        completion = await cancel_on_disconnect(request, stack.enter_async_context(opened))
        with_usage = bool(body.stream_options and body.stream_options.include_usage)
        return sse.OwningStream(_chunks(completion, with_usage), stack.pop_all())


async def _chunks(completion: Completion, with_usage: bool) -> AsyncIterator[bytes]:
    head = _head(completion, "chat.completion.chunk")
    # The same for every chunk: only the text between them is encoded each time.
    prefix = b"data: " + json.dumps(head)[:-1].encode() + b', "choices": [{"index": 0, "delta": {"content": '
    suffix = b'}, "finish_reason": null}]}\n\n'
    yield _chunk(head, {"role": "assistant", "content": ""}, None)
    try:
        async for event in completion.events:
            if isinstance(event, Delta):
                yield prefix + json.dumps(event.text).encode() + suffix
            elif isinstance(event, Finished):
                yield _chunk(head, {}, _finish_reason(event))
                if with_usage:
                    yield _sse_data({**head, "choices": [], "usage": _usage(event.usage)})
    except ParleyError as err:
        yield _sse_data({"error": {**err.payload(), "type": err.code}})
    yield b"data: [DONE]\n\n"


def _head(completion: Completion, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{completion.request.id}",
        "object": kind,
        "created": int(time.time()),
        "model": with_adapter(completion.model.manifest.id, completion.request.adapter),
    }


def _chunk(head: dict[str, Any], delta: dict[str, str], reason: str | None) -> bytes:
    return _sse_data({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})


def _sse_data(data: object) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def _finish_reason(finished: Finished) -> str:
    return "length" if finished.reason is FinishReason.LENGTH else "stop"


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }
