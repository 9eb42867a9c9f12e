"""Functions that a program offers to a model, and the calls in its reply.

The model is told of the functions in the system text and writes a call as JSON between ``<tool_call>`` tags, the form
that Hermes, Qwen and many others were trained on:
https://github.com/NousResearch/Hermes-Function-Calling#prompt-format-for-function-calling
A model that was not may still follow the description; where a call is required, a grammar leaves it no choice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OPEN, CLOSE = "<tool_call>", "</tool_call>"
_JSON_BLOCK = "```json"
RESULT_OPEN, RESULT_CLOSE = "<tool_response>", "</tool_response>"
_INTRODUCTION = (
    "You can call these functions, one JSON object per line:\n<tools>\n{functions}\n</tools>\n\n"
    "To call one, reply with nothing but its name and arguments as JSON between these tags, once for each call:\n"
    f'{OPEN}\n{{"name": "…", "arguments": {{…}}}}\n{CLOSE}\n'
    "If none of them helps, reply to the user instead."
)


@dataclass(frozen=True, slots=True)
class Function:
    """A function that can be called; `parameters` is a JSON schema of its arguments."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A call in a reply; `arguments` is JSON as text."""

    name: str
    arguments: str


def introduction(functions: Sequence[Function]) -> str:
    """The system text that tells a model of `functions`."""
    lines = [
        json.dumps({"name": f.name, "description": f.description, "parameters": f.parameters}, ensure_ascii=False)
        for f in functions
    ]
    return _INTRODUCTION.replace("{functions}", "\n".join(lines))


def call_text(call: Call) -> str:
    """A call as the model writes it, for a history."""
    arguments = _parsed(call.arguments)
    body = {"name": call.name, "arguments": call.arguments if arguments is None else arguments}
    return f"{OPEN}\n{json.dumps(body, ensure_ascii=False)}\n{CLOSE}"


def result_text(result: str) -> str:
    """The result of a call as the model reads it."""
    return f"{RESULT_OPEN}\n{result}\n{RESULT_CLOSE}"


def required_schema(functions: Sequence[Function]) -> dict[str, Any]:
    """The JSON schema of a call of one of `functions`. References inside their schemas are moved along."""
    choices = [_call_schema(function, number) for number, function in enumerate(functions)]
    definitions = {name: schema for choice in choices for name, schema in choice.pop("$defs").items()}
    schema: dict[str, Any] = choices[0] if len(choices) == 1 else {"anyOf": choices}
    return {**schema, "$defs": definitions} if definitions else schema


def _call_schema(function: Function, number: int) -> dict[str, Any]:
    # A grammar without an end to what may be added lets small models invent arguments.
    parameters = {"type": "object", "additionalProperties": False, **function.parameters}
    own: dict[str, Any] = {}
    for key in ("$defs", "definitions"):
        own |= parameters.pop(key, {})
    names = {name: f"{number}.{name}" for name in own}
    return {
        "type": "object",
        "properties": {"name": {"const": function.name}, "arguments": _moved(parameters, names)},
        "required": ["name", "arguments"],
        "additionalProperties": False,
        "$defs": {names[name]: _moved(schema, names) for name, schema in own.items()},
    }


def _moved(schema: Any, names: Mapping[str, str]) -> Any:
    """`schema` with references to the renamed definitions."""
    if isinstance(schema, Mapping):
        moved = {key: _moved(value, names) for key, value in schema.items()}
        ref = moved.get("$ref")
        if isinstance(ref, str) and (name := ref.rpartition("/")[2]) in names:
            moved["$ref"] = f"#/$defs/{names[name]}"
        return moved
    return [_moved(value, names) for value in schema] if isinstance(schema, list) else schema


class CallReader:
    """Splits a reply, as it arrives, into text to show and calls of known functions.

    Text that may begin a call is held back. What looks like a call and is none (broken JSON, an unknown function)
    becomes text again at the end.
    """

    def __init__(self, functions: Sequence[Function]) -> None:
        self.calls: list[Call] = []
        self._names = {function.name for function in functions}
        self._held = ""
        self._said = False  # whether text was shown
        self._blanks = ""  # after it, to be shown if more follows

    def push(self, text: str) -> str:
        """Add `text`; returns what can be shown."""
        self._held += text
        shown = ""
        while self._held:
            at = self._held.find(OPEN)
            end = self._held.find(CLOSE)
            if at < 0 or (at == 0 and end < 0):
                break
            if at == 0 and self._take(self._held[len(OPEN) : end]):
                self._held = self._held[end + len(CLOSE) :]
            else:
                cut = at or len(OPEN)  # what is before a call, or tags around something else
                shown, self._held = shown + self._held[:cut], self._held[cut:]
        keep = len(self._held) if self._held.startswith(OPEN) else self._uncertain()
        cut = len(self._held) - keep
        shown, self._held = shown + self._held[:cut], self._held[cut:]
        return self._visible(shown)

    def finish(self) -> str:
        """The rest of the text, once the reply has ended."""
        rest, self._held = self._held, ""
        body = rest.strip().removeprefix(_JSON_BLOCK).removesuffix("```").removeprefix(OPEN)
        return "" if not self._said and self._take(body) else self._visible(rest)

    def _visible(self, text: str) -> str:
        """`text` without the blanks around calls; others are held back until more follows."""
        text, self._blanks = self._blanks + text, ""
        if not self._said and self.calls:
            text = text.lstrip()
        said = text.rstrip()
        if said:
            self._said = True
        if self.calls and not said:
            return ""
        self._blanks = text[len(said) :]
        return said

    def _uncertain(self) -> int:
        """How many characters at the end may belong to a call: all of a reply that begins like JSON."""
        beginning = self._held.lstrip()
        is_json = beginning.startswith(("{", "[", _JSON_BLOCK)) or _JSON_BLOCK.startswith(beginning)
        if not self._said and is_json:
            return len(self._held)
        return next((n for n in range(len(OPEN) - 1, 0, -1) if self._held.endswith(OPEN[:n])), 0)

    def _take(self, text: str) -> bool:
        """Whether `text` is a call, or a list of calls, of known functions."""
        parsed = _parsed(text)
        found = parsed if isinstance(parsed, list) else [parsed]
        calls = [call for item in found if (call := self._call(item)) is not None]
        if not calls or len(calls) != len(found):
            return False
        self.calls += calls
        return True

    def _call(self, item: object) -> Call | None:
        if not isinstance(item, Mapping) or item.get("name") not in self._names:
            return None
        arguments = item.get("arguments", item.get("parameters", {}))
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        return Call(str(item["name"]), text)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
