"""Reads a reply from an upstream's chunks. What is missing or odd besides the text costs no one the text.

Format: https://platform.openai.com/docs/api-reference/chat/streaming. Seen at upstreams: ``usage`` missing, null or
with null counts; no ``finish_reason``; ``data: null``; events divided by single line ends; a content that is a list of
parts; a whole completion instead of chunks; reasoning in ``reasoning_content`` (DeepSeek, vLLM, SGLang, llama-server),
in ``reasoning`` (OpenRouter, newer vLLM, Ollama) or in a part of type ``thinking`` (Mistral).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from app.domain.generation import Delta, FinishReason, GenerationRequest, Usage
from app.domain.reasoning import Said
from app.engine.openai_errors import Refusal, refusal_error
from app.engine.stopping import TextGate
from app.engine.token_estimate import estimated_tokens
from app.errors import UpstreamFailed

DONE = "[DONE]"


class _Chunk(NamedTuple):
    """The texts of one chunk."""

    text: str
    reasoning: str
    whole: bool  # a whole reply, not a piece of one


class Reply:
    """Accumulates one reply from its chunks."""

    def __init__(self, request: GenerationRequest, stops: Sequence[str]) -> None:
        self.gate = TextGate(stops)
        self._reasoning = TextGate()
        self.reason: FinishReason | None = None
        self.done = False  # the upstream said that nothing follows
        self.usage = Usage(request.prompt.n_tokens)
        self._limit = request.sampling.max_new_tokens
        self._counted = False  # by the upstream; until then each chunk counts as one token

    @property
    def over(self) -> bool:
        """Whether nothing more is to be read."""
        return self.done or self.gate.stopped

    def take(self, data: str, *, limited: bool = True) -> Delta | None:
        """Parse one event. `limited`: whether the upstream knows the maximum length of the reply.

        Raises :class:`UpstreamFailed` for an error in it, or for something else than a chunk.
        """
        texts = []
        try:
            for chunk in self._chunks(data):
                texts.append(self._take_chunk(chunk))
        except (ValueError, TypeError, AttributeError, LookupError) as malformed:
            if self.reason is None:
                raise UpstreamFailed(
                    "This model's server doesn't follow the OpenAI API. Check base_url in its manifest."
                ) from malformed
        if not limited and self.reason is None and self.usage.completion_tokens >= self._limit:
            self.reason, self.done = FinishReason.LENGTH, True
        text, reasoning = "".join(said.text for said in texts), "".join(said.reasoning for said in texts)
        return Delta(text, reasoning=reasoning) if text or reasoning else None

    def _chunks(self, data: str) -> Iterator[Mapping[str, Any]]:
        """The chunks of one event: one, or one for each line. Sets ``done`` at the mark of the end."""
        try:
            found = [json.loads(data)]
        except ValueError:
            lines = [line.strip() for line in data.split("\n") if line.strip()]
            self.done = DONE in lines
            found = [json.loads(line) for line in lines if line != DONE]
        yield from (chunk for chunk in found if chunk is not None)

    def _take_chunk(self, chunk: Mapping[str, Any]) -> Said:
        """The text to pass on."""
        if error := chunk.get("error") or (chunk if chunk.get("object") == "error" else None):
            if self.reason is None:
                raise refusal_error(Refusal(_status_in(error), json.dumps(chunk).encode()))
            return Said("", "")  # the reply is complete
        self._count(chunk.get("usage"))
        choice = next(iter(chunk.get("choices") or ()), None) or {}
        said = _said(choice, begun=bool(self.usage.completion_tokens))
        self._finish(choice.get("finish_reason"))
        shown = self.gate.push(said.text)
        if (said.text or said.reasoning) and not self._counted:
            new = estimated_tokens(said.text) + estimated_tokens(said.reasoning) if said.whole else 1
            self.usage = Usage(self.usage.prompt_tokens, self.usage.completion_tokens + new, self.usage.cached_tokens)
        return Said(shown, self._reasoning.push(said.reasoning))

    def _count(self, usage: object) -> None:
        """Take over the upstream's counts, those that it gives."""
        if not isinstance(usage, Mapping):
            return
        details = usage.get("prompt_tokens_details")
        prompt, completion = _number(usage.get("prompt_tokens")), _number(usage.get("completion_tokens"))
        cached = _number(details.get("cached_tokens")) if isinstance(details, Mapping) else None
        # Some upstreams send zeros, or what they have so far, with every chunk.
        if completion:
            self._counted = True
        self.usage = Usage(
            prompt or self.usage.prompt_tokens,
            completion or self.usage.completion_tokens,
            self.usage.cached_tokens if cached is None else cached,
        )

    def _finish(self, reason: object) -> None:
        if reason == "content_filter":
            raise UpstreamFailed("This model's server blocked the reply with its content filter.")
        if reason:
            self.reason = FinishReason.LENGTH if reason == "length" else FinishReason.STOP


def _said(choice: Mapping[str, Any], *, begun: bool) -> _Chunk:
    """What a choice says; `begun`: after other chunks. Raises :class:`TypeError` for a content that is no text."""
    delta = choice.get("delta")
    whole = not delta and not begun and bool(choice.get("message"))  # later, it repeats what was said
    message = (choice["message"] if whole else delta) or {}
    text, thinking = _texts(message.get("content"))
    if not message and isinstance(choice.get("text"), str):  # of the older completions
        text = choice["text"]
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    return _Chunk(text, reasoning if isinstance(reasoning, str) else thinking, whole)


def _texts(content: object) -> tuple[str, str]:
    """Text and reasoning of a content: a text, or parts such as ``{"type": "text", "text": …}``."""
    if content is None or isinstance(content, str):
        return content or "", ""
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        raise TypeError("a content that is neither text nor parts")
    text = thinking = ""
    for part in content:
        if isinstance(part, str):
            text += part
        elif isinstance(part, Mapping) and part.get("type") in ("thinking", "reasoning"):
            thinking += "".join(_texts(part.get("thinking") or part.get("text") or part.get("reasoning")))
        elif isinstance(part, Mapping) and isinstance(part.get("text"), str):
            text += part["text"]
    return text, thinking


def _number(value: object) -> int | None:
    """A count, if it is one."""
    return int(value) if isinstance(value, int | float) and 0 <= value < 1 << 53 else None


def _status_in(error: object) -> int:
    code = error.get("code") if isinstance(error, Mapping) else None
    return code if isinstance(code, int) else 500
