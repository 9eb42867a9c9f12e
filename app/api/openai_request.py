"""Requests of the OpenAI-compatible API, and what they become.

Format: https://platform.openai.com/docs/api-reference/chat. As OpenAI's service and the large self-hosted servers do:
null stands for the default everywhere; -1, 0 and "" stand for unlimited, random and default where they can't mean
anything else; what can't be done is refused by name, and unknown fields have no effect.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from app.api.openai_fields import Flag, Lenient, Number, PartText, or_default
from app.api.openai_messages import ChatMessage
from app.api.schemas import Text
from app.domain.generation import DecodingOptions
from app.domain.messages import Role, Turn
from app.domain.reply_schema import require_usable
from app.domain.sampling import MAX_NEW_TOKENS, MAX_SEED
from app.domain.tool_calls import Function, introduction, required_schema
from app.errors import InvalidRequest, UnsupportedRequest
from app.models.references import MAX_REFERENCE_CHARS

MAX_CHOICES = 16
MAX_TOOLS = 128
MAX_LOGPROBS = 20
_ANY_OBJECT: dict[str, Any] = {"type": "object"}


class OfferedFunction(Lenient):
    """A function that the model may call, with the JSON schema of its arguments."""

    name: Annotated[Text, Field(min_length=1, max_length=256)]
    description: PartText = ""
    parameters: dict[str, Any] | None = None


class Tool(Lenient):
    """A tool; all are functions."""

    type: Literal["function"] = "function"
    function: OfferedFunction


class NamedFunction(Lenient):
    """The name of a function."""

    name: Text


class NamedTool(Lenient):
    """The tool that must be called."""

    type: Literal["function"] = "function"
    function: NamedFunction


class StreamOptions(Lenient):
    """Options for streaming; ``include_usage`` adds a last chunk with the token counts."""

    include_usage: Flag = False


class JsonSchema(Lenient):
    """A JSON schema with its name."""

    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None


class ResponseFormat(Lenient):
    """The form that the reply must have."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    def schema_of_reply(self) -> dict[str, Any] | None:
        """The JSON schema that the reply must follow; ``None`` for text."""
        if self.type == "text":
            return None
        return (self.json_schema.schema_ if self.json_schema else None) or _ANY_OBJECT


class TemplateVariables(Lenient):
    """Variables of the chat template; those that say whether the model thinks before it answers."""

    enable_thinking: bool | None = None
    thinking: bool | None = None


class ChatRequest(Lenient):
    """A request of ``/v1/chat/completions``; fields not listed here are accepted and have no effect."""

    model: Annotated[Text, Field(max_length=MAX_REFERENCE_CHARS)] | None = None
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=10_000)]
    stream: Flag = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: Number = None
    top_p: Number = None
    top_k: int | None = None
    min_p: Number = None
    repetition_penalty: Number = None
    presence_penalty: Annotated[float, or_default(0.0), Field(ge=-2, le=2)] = 0.0
    frequency_penalty: Annotated[float, or_default(0.0), Field(ge=-2, le=2)] = 0.0
    logit_bias: dict[int, Annotated[float, Field(ge=-100, le=100)]] | None = None
    response_format: ResponseFormat | None = None
    seed: int | None = None
    stop: Text | list[Text] | None = None
    ignore_eos: Flag = False
    n: Annotated[int, or_default(1), Field(ge=1, le=MAX_CHOICES)] = 1
    continue_final_message: bool | None = None
    add_generation_prompt: bool | None = None
    tools: Annotated[list[Tool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    functions: list[Any] | None = None
    function_call: Any = None
    chat_template_kwargs: TemplateVariables | None = None
    enable_thinking: bool | None = None
    reasoning_effort: Text | None = None
    thinking_budget: Annotated[int | None, Field(ge=-1)] = None
    logprobs: bool | int | None = None
    top_logprobs: Annotated[int, or_default(0), Field(ge=0, le=MAX_LOGPROBS)] = 0
    modalities: list[str] | None = None

    def turns(self) -> tuple[list[Turn], str]:
        """The conversation, and the beginning of the reply: a last message of the assistant is continued.

        Raises :class:`InvalidRequest` if nothing was said, or nothing can be continued.
        """
        turns = [message.turn() for message in self.messages]
        if not any(turn.content for turn in turns):
            raise InvalidRequest("All messages are empty.", field="messages")
        is_begun = turns[-1].role is Role.ASSISTANT and len(turns) > 1
        if self.continue_final_message and not is_begun:
            raise InvalidRequest(
                "continue_final_message needs a last message with the role assistant, after others.", field="messages"
            )
        if functions := self.offered():
            after_system = next((n for n, turn in enumerate(turns) if turn.role is not Role.SYSTEM), len(turns))
            turns.insert(after_system, Turn(Role.SYSTEM, introduction(functions)))
        is_new = self.continue_final_message is False or self.add_generation_prompt is True
        return (turns[:-1], turns[-1].content) if is_begun and not is_new else (turns, "")

    def offered(self) -> list[Function]:
        """The functions that may be called; of a named one only that. Raises :class:`InvalidRequest` for its name."""
        offered = [
            Function(t.function.name, t.function.description, t.function.parameters or {}) for t in self.tools or []
        ]
        if self.tool_choice == "none":
            return []
        if isinstance(self.tool_choice, NamedTool):
            name = self.tool_choice.function.name
            offered = [function for function in offered if function.name == name]
            if not offered:
                raise InvalidRequest(f"tool_choice names {name[:80]!r}, which is not in tools.", field="tool_choice")
        if self.tool_choice == "required" and not offered:
            raise InvalidRequest("tool_choice is required, but there are no tools.", field="tool_choice")
        return offered

    def overrides(self, choice: int = 0) -> dict[str, object]:
        """The sampling parameters under Parley's names, for one of `n` choices."""
        limit = self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens
        stop = [self.stop] if isinstance(self.stop, str) else self.stop
        is_greedy = self.top_p == 0  # nothing but the most likely token
        return {
            "temperature": 0.0 if is_greedy else self.temperature,
            "top_p": None if is_greedy else self.top_p,
            "top_k": None if self.top_k is None else max(0, self.top_k),
            "min_p": self.min_p,
            "repetition_penalty": self.repetition_penalty or None,
            "seed": self._seed(choice),
            "stop": None if stop is None else [text for text in stop if text],
            "max_new_tokens": _at_most(limit if limit is None or limit > 0 else MAX_NEW_TOKENS),
            "ignore_eos": self.ignore_eos,
            "thinking": self._thinking(),
            "thinking_tokens": None if self.thinking_budget == -1 else _at_most(self.thinking_budget),
        }

    def options(self) -> DecodingOptions:
        """What is wanted beyond sampling parameters. Raises :class:`UnsupportedRequest` for an unusable schema."""
        schema = self.response_format.schema_of_reply() if self.response_format else None
        if self.tool_choice == "required" or isinstance(self.tool_choice, NamedTool):
            schema = required_schema(self.offered())
        if schema is not None:
            require_usable(schema)
        return DecodingOptions(
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            logit_bias=dict(self.logit_bias or {}),
            json_schema=schema,
            logprobs=bool(self.logprobs),
            top_logprobs=self.top_logprobs,
        )

    def refuse_unsupported(self) -> None:
        """Raises :class:`UnsupportedRequest` for features that Parley does not support."""
        if self.top_logprobs and not self.logprobs:
            raise InvalidRequest("top_logprobs needs logprobs: true.", field="top_logprobs")
        has_tools = bool(self.offered())
        refused = {
            "response_format": has_tools and bool(self.response_format and self.response_format.type != "text"),
            "logprobs": has_tools and bool(self.logprobs),
            "functions": bool(self.functions) and self.function_call != "none",
            "modalities": self.modalities is not None and self.modalities != ["text"],
        }
        for name, is_wanted in refused.items():
            if is_wanted:
                where = "together with tools" if name in ("response_format", "logprobs") else "here"
                raise UnsupportedRequest(f"`{name}` is not supported {where}; leave it out.", field=name)

    def _thinking(self) -> bool | None:
        """Whether the model is to think first, as vLLM's, DashScope's or OpenAI's field says; of none, its default."""
        variables = self.chat_template_kwargs or TemplateVariables()
        for said in (variables.enable_thinking, variables.thinking, self.enable_thinking):
            if said is not None:
                return said
        return False if self.reasoning_effort == "none" else None

    def _seed(self, choice: int) -> int | None:
        if self.seed is None or self.seed < 0:
            return None
        return (self.seed + choice) % (MAX_SEED + 1)


def _at_most(tokens: int | None) -> int | None:
    """`tokens`, within Parley's limit: clients set theirs for the largest models, and mean "at most"."""
    return None if tokens is None else min(tokens, MAX_NEW_TOKENS)
