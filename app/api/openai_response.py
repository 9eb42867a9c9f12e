"""Responses of the OpenAI-compatible API: one object, or chunks of an event stream."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from app.api import sse
from app.api.openai_logprobs import logprobs_json
from app.chat.completion import Completion, WholeReply
from app.domain.generation import Delta, Finished, FinishReason, GenerationEvent, Usage
from app.domain.ids import new_id
from app.domain.tool_calls import Call, CallReader, Function
from app.errors import ParleyError
from app.models.manifest import Manifest
from app.models.references import with_adapter


@dataclass(frozen=True, slots=True)
class Offer:
    """The functions that a reply may call, and whether several of them."""

    functions: Sequence[Function] = ()
    parallel: bool = True

    def chosen(self, calls: Sequence[Call]) -> Sequence[Call]:
        """The calls to tell of."""
        return calls if self.parallel else calls[:1]


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


def whole(replies: Sequence[WholeReply], offer: Offer) -> dict[str, Any]:
    """The response with all choices."""
    choices = [_choice(index, reply, offer) for index, reply in enumerate(replies)]
    usage = _total([reply.finished.usage for reply in replies])
    return {**_head(replies[0].completion, "chat.completion"), "choices": choices, "usage": usage}


def _choice(index: int, reply: WholeReply, offer: Offer) -> dict[str, Any]:
    """One reply; its reasoning is in DeepSeek's field, which vLLM, SGLang and llama-server have too."""
    reader = CallReader(offer.functions)
    text = reader.push(reply.text) + reader.finish() if offer.functions else reply.text
    calls = offer.chosen(reader.calls)
    message: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else "")}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if calls:
        message["tool_calls"] = [_call_json(call) for call in calls]
    reason = _finish_reason(reply.finished, calls)
    has_chances = reply.completion.request.options.logprobs
    logprobs = logprobs_json(reply.chances) if has_chances else None
    return {"index": index, "message": message, "finish_reason": reason, "logprobs": logprobs}


def _call_json(call: Call) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": f"call_{new_id()}", "type": "function", "function": function}


async def chunks(
    completions: Sequence[Completion], offer: Offer, *, with_usage: bool, heartbeat_s: float
) -> AsyncIterator[bytes]:
    """The events of all choices as they come; a comment line after each `heartbeat_s` without one.

    A long prompt takes a minute to read, and a queue longer: proxies and clients close what stays silent.
    """
    head = _head(completions[0], "chat.completion.chunk")
    encoders = [_Encoder(head, index, offer) for index in range(len(completions))]
    for encoder in encoders:
        yield encoder.chunk({"role": "assistant", "content": ""}, None)
    usages: list[Usage] = []
    clock = asyncio.get_running_loop().time
    last_s = clock()
    try:
        async for found in _merged(completions, heartbeat_s):
            data = b"" if found is None else encoders[found[0]].event(found[1])
            if data or clock() - last_s >= heartbeat_s:  # also while events come of which clients see nothing
                last_s = clock()
                yield data or sse.HEARTBEAT
            if found is not None and isinstance(found[1], Finished):
                usages.append(found[1].usage)
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

    def __init__(self, head: dict[str, Any], index: int, offer: Offer) -> None:
        self._head, self._index, self._offer = head, index, offer
        self._reader = CallReader(offer.functions)
        self._before = (
            b"data: "
            + json.dumps(head)[:-1].encode()
            + f', "choices": [{{"index": {index}, "delta": {{"content": '.encode()
        )

    def event(self, event: GenerationEvent) -> bytes:
        """The chunks for an event; none for one that clients don't see."""
        if isinstance(event, Finished):
            return self.end(event)
        if not isinstance(event, Delta):
            return b""
        thought = self.chunk({"reasoning_content": event.reasoning}, None) if event.reasoning else b""
        if event.chances:
            return thought + self.chunk({"content": event.text}, None, logprobs=logprobs_json(event.chances))
        return thought + (self.text(event.text) if event.text else b"")

    def text(self, text: str) -> bytes:
        """The chunk for `text`, or for as much as can be shown yet."""
        shown = self._reader.push(text) if self._offer.functions else text
        return self._before + json.dumps(shown).encode() + b'}, "finish_reason": null}]}\n\n' if shown else b""

    def end(self, finished: Finished) -> bytes:
        """The rest of the text, the calls, and why it ended."""
        rest = self._reader.finish()
        calls = self._offer.chosen(self._reader.calls)
        told = [{"index": number, **_call_json(call)} for number, call in enumerate(calls)]
        return b"".join(
            (
                self.chunk({"content": rest}, None) if rest else b"",
                self.chunk({"tool_calls": told}, None) if told else b"",
                self.chunk({}, _finish_reason(finished, calls)),
            )
        )

    def chunk(self, delta: dict[str, Any], reason: str | None, **more: Any) -> bytes:
        choice = {"index": self._index, "delta": delta, **more, "finish_reason": reason}
        return _data({**self._head, "choices": [choice]})


def _head(completion: Completion, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{completion.request.id}",
        "object": kind,
        "created": int(time.time()),
        "model": with_adapter(completion.model.manifest.id, completion.request.adapter),
    }


def _data(data: object) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def _finish_reason(finished: Finished, calls: Sequence[Call]) -> str:
    if calls:
        return "tool_calls"
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
