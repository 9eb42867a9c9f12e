"""Messages of the OpenAI-compatible API, and the turns that they become."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.api.openai_fields import Lenient, PartText
from app.api.schemas import Text
from app.domain.limits import MAX_MESSAGE_CHARS
from app.domain.messages import Role, Turn
from app.domain.tool_calls import Call, call_text, result_text


class TextPart(Lenient):
    """A part of a message; of all types only text is supported."""

    type: Literal["text", "input_text", "output_text", "refusal"]
    text: PartText = ""
    refusal: PartText = ""


class CalledFunction(Lenient):
    """The name and the arguments (JSON as text) of a function that was called."""

    name: PartText = ""
    arguments: PartText = ""


class ToolCall(Lenient):
    """A call in an earlier reply."""

    function: CalledFunction | None = None


class ChatMessage(Lenient):
    """A message of the conversation in OpenAI's format."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[Text, Field(max_length=MAX_MESSAGE_CHARS)] | list[TextPart] | None = None
    name: Text | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: CalledFunction | None = None

    def turn(self) -> Turn:
        """The message as a domain turn. Calls and their results become text: :mod:`app.domain.tool_calls`."""
        if self.role in ("tool", "function"):
            return Turn(Role.USER, result_text(self._text()))
        if self.role == "assistant":
            return Turn(Role.ASSISTANT, "\n".join(filter(None, (self._text(), *self._calls()))))
        return Turn(Role.USER if self.role == "user" else Role.SYSTEM, self._text())

    def _text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text or part.refusal for part in self.content)
        return self.content or ""

    def _calls(self) -> list[str]:
        calls = [call.function for call in self.tool_calls or [] if call.function] + [self.function_call]
        return [call_text(Call(c.name, c.arguments)) for c in calls if c]
