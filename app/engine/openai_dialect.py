"""What an upstream accepts of OpenAI's protocol, learned from its refusals.

Every upstream refuses other parameters: OpenAI's own service all that are not its own, its reasoning models also
``max_tokens``, ``temperature`` and ``top_p``, others ``seed``, ``stream_options`` or system messages. A refusal names
what it is about, so the request is repeated without that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.domain.generation import DecodingOptions, GenerationRequest
from app.engine.openai_errors import Refusal, is_too_long
from app.models.manifest import NO_THINK

# Of vLLM, SGLang and TGI; repeat_penalty is llama-server's.
_EXTRAS = frozenset({"top_k", "min_p", "ignore_eos", "repetition_penalty", "repeat_penalty", "chat_template_kwargs"})
_OPTIONAL = frozenset({"temperature", "top_p", "seed", "stream_options", "stream", "reasoning_effort"})
_LIMIT, _NEW_LIMIT = "max_tokens", "max_completion_tokens"
_REFUSING = (400, 422)
_SYSTEM_REFUSED = re.compile(
    r"\bsystem\b.{0,40}\b(role|message|prompt|instruction)|\brole\b.{0,40}\bsystem\b", re.I | re.S
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """The parameters and messages that one model of an upstream accepts, as far as is known."""

    left_out: frozenset[str] = frozenset()
    limit: str | None = _LIMIT  # the name of the limit of a reply's length; None: there is none
    system: bool = True  # whether it takes system messages

    def body(self, model: str, request: GenerationRequest, thinking_switch: str = "") -> dict[str, Any]:
        """The request's body; `thinking_switch` as in the manifest."""
        wanted = request.sampling
        body: dict[str, Any] = {
            "model": model,
            "messages": self._messages(json.loads(request.prompt.text)),
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": wanted.temperature,
            "top_p": wanted.top_p,
            "seed": wanted.seed,
            "top_k": wanted.top_k,
            "min_p": wanted.min_p,
            "ignore_eos": wanted.ignore_eos,
            "repetition_penalty": wanted.repetition_penalty,
            "repeat_penalty": wanted.repetition_penalty,
        }
        if self.limit is not None:
            body[self.limit] = wanted.max_new_tokens
        body |= _options(request.options) | _thinking(wanted.thinking, thinking_switch)
        return {name: value for name, value in body.items() if name not in self.left_out}

    def after(self, refusal: Refusal, body: Mapping[str, Any]) -> Dialect | None:
        """What to try after a refusal of `body`; ``None`` if it is about something else."""
        if refusal.status not in _REFUSING or is_too_long(refusal):
            return None
        said = refusal.body.decode(errors="replace")
        named = {name for name in body if re.search(rf"\b{name}\b", said)}
        dialect = self
        if named & _OPTIONAL:
            needing = {"stream_options"} if "stream" in named else set()  # refused without it
            dialect = replace(dialect, left_out=self.left_out | (named & _OPTIONAL) | needing)
        if self.limit in named:
            dialect = replace(dialect, limit=_NEW_LIMIT if self.limit == _LIMIT else None)
        if _SYSTEM_REFUSED.search(said) and any(message["role"] == "system" for message in body["messages"]):
            dialect = replace(dialect, system=False)
        if named & _EXTRAS or (dialect == self and _EXTRAS & body.keys()):  # all at once: not one request for each
            dialect = replace(dialect, left_out=dialect.left_out | _EXTRAS)
        return None if dialect == self else dialect

    def _messages(self, messages: list[dict[str, str]]) -> list[dict[str, str]]:
        """The messages; without system messages, their text is put before the first question."""
        if self.system or not messages or messages[0]["role"] != "system":
            return messages
        system, *rest = messages
        if not rest or rest[0]["role"] != "user":
            return [{**system, "role": "user"}, *rest]
        return [{"role": "user", "content": f"{system['content']}\n\n{rest[0]['content']}"}, *rest[1:]]


def _thinking(thinking: bool | None, switch: str) -> dict[str, Any]:
    """What tells the upstream whether to think: vLLM's, SGLang's and llama-server's field unless the manifest says."""
    if switch == "reasoning_effort":
        return {"reasoning_effort": "none"} if thinking is False else {}
    if thinking is None or switch == NO_THINK:
        return {}
    return {"chat_template_kwargs": {"enable_thinking": thinking, "thinking": thinking}}


def _options(wanted: DecodingOptions) -> dict[str, Any]:
    """What a program asked for by name. An upstream that refuses it is not asked again without."""
    schema = {"type": "json_schema", "json_schema": {"name": "reply", "schema": wanted.json_schema}}
    fields: dict[str, Any] = {
        "presence_penalty": wanted.presence_penalty,
        "frequency_penalty": wanted.frequency_penalty,
        "logit_bias": {str(token): bias for token, bias in wanted.logit_bias.items()},
        "json_schema": {"type": "json_object"} if wanted.json_schema == {"type": "object"} else schema,
    }
    names = {"json_schema": "response_format"}
    return {names.get(name, name): value for name, value in fields.items() if name in wanted.wanted}
