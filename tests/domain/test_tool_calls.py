"""Calls of functions in replies, wherever the reply is cut into pieces."""

from __future__ import annotations

import json

import pytest

from app.domain.reply_schema import require_usable
from app.domain.tool_calls import Call, CallReader, Function, call_text, introduction, required_schema, result_text

WEATHER = Function("weather", "Of a city", {"type": "object", "properties": {"city": {"type": "string"}}})
TIME = Function("time")
BOTH = [WEATHER, TIME]
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Lyon 里昂"}}\n</tool_call>'
PARIS = Call("weather", '{"city": "Lyon 里昂"}')


def read(text: str, cut: int | None = None) -> tuple[str, list[Call]]:
    """Text and calls of a reply that arrives in two pieces, or character by character."""
    reader = CallReader(BOTH)
    pieces = list(text) if cut is None else [text[:cut], text[cut:]]
    shown = "".join(reader.push(piece) for piece in pieces)
    return shown + reader.finish(), reader.calls


@pytest.mark.parametrize(
    ("text", "shown", "calls"),
    [
        ("It is sunny.", "It is sunny.", []),
        ("", "", []),
        ("Two words\n\n and more  ", "Two words\n\n and more", []),
        ("```python\nx = {}\n```", "```python\nx = {}\n```", []),
        (CALL, "", [PARIS]),
        (f"\n{CALL}\n", "", [PARIS]),
        (f'{CALL}\n<tool_call>{{"name": "time"}}</tool_call>', "", [PARIS, Call("time", "{}")]),
        (f"Let me look.\n{CALL}", "Let me look.", [PARIS]),
        ('{"name": "weather", "arguments": {"city": "Lyon 里昂"}}', "", [PARIS]),
        ('```json\n{"name": "time", "parameters": {}}\n```', "", [Call("time", "{}")]),
        ('[{"name": "time", "arguments": "{}"}]', "", [Call("time", "{}")]),
        ('<tool_call>{"name": "time", "arguments": {}}', "", [Call("time", "{}")]),  # ended before the tag
        ('<tool_call>{"name": "unknown"}</tool_call> end', '<tool_call>{"name": "unknown"}</tool_call> end', []),
        ("<tool_call>nonsense</tool_call>", "<tool_call>nonsense</tool_call>", []),
        ('{"city": "Lyon"}', '{"city": "Lyon"}', []),
        ("a < b <tool", "a < b <tool", []),
        ("[" * 100_000, "[" * 100_000, []),
    ],
)
def test_text_and_calls(text: str, shown: str, calls: list[Call]) -> None:
    cuts = [*range(0, len(text), max(1, len(text) // 200)), *([None] if len(text) < 1000 else [])]
    for cut in cuts:
        assert read(text, cut) == (shown, calls), cut


def test_plain_text_is_shown_at_once() -> None:
    reader = CallReader(BOTH)
    assert [reader.push(piece) for piece in ("It ", "is <", "b> sunny")] == ["It", " is", " <b> sunny"]


def test_what_the_model_reads() -> None:
    text = introduction(BOTH)
    assert '{"name": "weather", "description": "Of a city", "parameters": {"type": "object"' in text
    assert call_text(PARIS) == CALL
    assert call_text(Call("time", "not JSON")) == '<tool_call>\n{"name": "time", "arguments": "not JSON"}\n</tool_call>'
    assert result_text("42") == "<tool_response>\n42\n</tool_response>"


def test_the_schema_of_a_required_call() -> None:
    nested = {"type": "object", "properties": {"at": {"$ref": "#/$defs/Place"}}, "$defs": {"Place": {"type": "string"}}}
    schema = required_schema([WEATHER, Function("go", parameters=nested), Function("run", parameters=nested)])
    require_usable(schema)
    assert schema["anyOf"][1]["properties"]["arguments"]["properties"]["at"] == {"$ref": "#/$defs/1.Place"}
    assert schema["$defs"] == {"1.Place": {"type": "string"}, "2.Place": {"type": "string"}}
    nothing = {"type": "object", "additionalProperties": False}
    assert required_schema([TIME])["properties"] == {"name": {"const": "time"}, "arguments": nothing}
    free = Function("f", parameters={"type": "object", "additionalProperties": True})
    assert required_schema([free])["properties"]["arguments"] == free.parameters
    assert json.dumps(schema)
