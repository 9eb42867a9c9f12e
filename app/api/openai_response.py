"""Responses of the OpenAI-compatible API: one object, or chunks of an event stream."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from app.api import sse
from app.chat.completion import Completion, WholeReply
from app.domain.generation import Delta, Finished, FinishReason, GenerationEvent, Usage
from app.errors import ParleyError
from app.models.manifest import Manifest
from app.models.references import with_adapter

DONE = b"data: [DONE]\n\n"


def model_json(m: Manifest) -> dict[str, Any]:
    """A model; ``quantizations`` and ``adapters`` are what can be added to the id (``@nf4``, ``+adapter``)."""
    return {
        "id": m.id,
        "object": "model",
        "created": 0,
        "owned_by": "parley",
        "quantizations": list(m.quantizations),
        "adapters": [adapter.name for adapter in m.adapters],
    }


def whole(replies: Sequence[WholeReply]) -> dict[str, Any]:
    """The response with all choices."""
    choices = [
        {
            "index": index,
            "message": _message(reply),
            "finish_reason": _finish_reason(reply.finished),
            "logprobs": None,
        }
        for index, reply in enumerate(replies)
    ]
    usage = _total([reply.finished.usage for reply in replies])
    return {**_head(replies[0].completion, "chat.completion"), "choices": choices, "usage": usage}


def _message(reply: WholeReply) -> dict[str, str]:
    """The reply; its reasoning is in DeepSeek's field, which vLLM, SGLang and llama-server have too."""
    thought = {"reasoning_content": reply.reasoning} if reply.reasoning else {}
    return {"role": "assistant", "content": reply.text, **thought}


async def chunks(completions: Sequence[Completion], *, with_usage: bool, heartbeat_s: float) -> AsyncIterator[bytes]:
    """The events of all choices as they come; a comment line after each `heartbeat_s` without one.

    A long prompt takes a minute to read, and a queue longer: proxies and clients close what stays silent.
    """
    head = _head(completions[0], "chat.completion.chunk")
    encoders = [_Encoder(head, index) for index in range(len(completions))]
    for encoder in encoders:
        yield encoder.chunk({"role": "assistant", "content": ""}, None)
    usages: list[Usage] = []
    try:
        async for found in _merged(completions, heartbeat_s):
            match found:
                case None:
                    yield sse.HEARTBEAT
                case index, Delta(text, _, reasoning):
                    if reasoning:
                        yield encoders[index].chunk({"reasoning_content": reasoning}, None)
                    if text:
                        yield encoders[index].text(text)
                case index, Finished(_, usage) as finished:
                    usages.append(usage)
                    yield encoders[index].chunk({}, _finish_reason(finished))
        if with_usage:
            yield _data({**head, "choices": [], "usage": _total(usages)})
    except ParleyError as err:
        yield _data({"error": {**err.payload(), "type": err.code}})
    yield DONE


async def _merged(
    completions: Sequence[Completion], heartbeat_s: float
) -> AsyncIterator[tuple[int, GenerationEvent] | None]:
    """The events of all completions with their index, ``None`` after `heartbeat_s` without one."""
    arrived: asyncio.Queue[tuple[int, GenerationEvent | None]] = asyncio.Queue(maxsize=8)
    is_read = True

    async def pump(index: int, completion: Completion) -> None:
        try:
            async for event in completion.events:
                await arrived.put((index, event))
        finally:
            if is_read:
                await arrived.put((index, None))

    tasks = [asyncio.ensure_future(pump(*numbered)) for numbered in enumerate(completions)]
    try:
        running = len(tasks)
        while running:
            try:
                index, event = await asyncio.wait_for(arrived.get(), heartbeat_s)
            except TimeoutError:
                yield None
                continue
            if event is None:
                running -= 1
                await tasks[index]  # raises what ended it
            else:
                yield index, event
    finally:
        is_read = False
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Encoder:
    """Encodes the chunks of one choice. Of those with text only the text is encoded each time."""

    def __init__(self, head: dict[str, Any], index: int) -> None:
        self._head, self._index = head, index
        self._before = (
            b"data: "
            + json.dumps(head)[:-1].encode()
            + f', "choices": [{{"index": {index}, "delta": {{"content": '.encode()
        )

    def text(self, text: str) -> bytes:
        return self._before + json.dumps(text).encode() + b'}, "finish_reason": null}]}\n\n'

    def chunk(self, delta: dict[str, str], reason: str | None) -> bytes:
        return _data({**self._head, "choices": [{"index": self._index, "delta": delta, "finish_reason": reason}]})


def _head(completion: Completion, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{completion.request.id}",
        "object": kind,
        "created": int(time.time()),
        "model": with_adapter(completion.model.manifest.id, completion.request.adapter),
    }


def _data(data: object) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def _finish_reason(finished: Finished) -> str:
    return "length" if finished.reason is FinishReason.LENGTH else "stop"


def _total(usages: Sequence[Usage]) -> dict[str, Any]:
    """The token counts of all choices; their prompt is counted once."""
    prompt_tokens = max((usage.prompt_tokens for usage in usages), default=0)
    completion_tokens = sum(usage.completion_tokens for usage in usages)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": max((usage.cached_tokens for usage in usages), default=0)},
    }
