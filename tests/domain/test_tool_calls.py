"""Calls of functions in replies, wherever the reply is cut into pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.domain.reply_schema import require_usable
from app.domain.tool_calls import Call, CallReader, Function, call_text, introduction, required_schema, result_text
from app.errors import UnsupportedRequest

DEEP: list[Any] = []
for _ in range(300):
    DEEP = [DEEP]
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
    nested = {
        "type": "object",
        "properties": {"at": {"$ref": "#/$defs/Place"}, "again": {"$ref": "#"}, "to": {"$ref": "#/properties/at"}},
        "$defs": {"Place": {"type": "string"}},
    }
    schema = required_schema([WEATHER, Function("go", parameters=nested)])
    require_usable(schema)
    assert schema["anyOf"][1]["properties"] == {"name": {"const": "go"}, "arguments": {"$ref": "#/$defs/1"}}
    refs = {name: value["$ref"] for name, value in schema["$defs"]["1"]["properties"].items()}
    assert refs == {"at": "#/$defs/1/$defs/Place", "again": "#/$defs/1", "to": "#/$defs/1/properties/at"}
    assert required_schema([TIME])["$defs"] == {"0": {"type": "object", "additionalProperties": False}}
    free = Function("f", parameters={"type": "object", "additionalProperties": True})
    assert required_schema([free])["$defs"]["0"] == free.parameters
    assert json.dumps(schema)


@pytest.mark.parametrize("parameters", [{"$defs": None}, {"$defs": []}, {"type": {}}, {"type": [[]]}, {"const": DEEP}])
def test_odd_parameters_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedRequest):
        require_usable(required_schema([Function("f", parameters=parameters)]))


def test_a_closing_tag_in_an_argument() -> None:
    call = '<tool_call>{"name": "weather", "arguments": {"city": "a</tool_call>b"}}</tool_call>'
    for cut in range(len(call)):
        assert read(call, cut) == ("", [Call("weather", '{"city": "a</tool_call>b"}')]), cut


@pytest.mark.parametrize("text", ["<tool_call>" * 3_000, '<tool_call>{"name": "' + "x" * 30_000, "{" * 30_000])
def test_long_replies_are_looked_at_once(text: str) -> None:
    reader = CallReader(BOTH)
    looks = 0

    def counted() -> str:
        nonlocal looks
        looks += 1
        return original()

    original, reader._decided = reader._decided, counted  # type: ignore[method-assign]
    pieces = [text[at : at + 10] for at in range(0, len(text), 10)]
    shown = "".join(reader.push(piece) for piece in pieces) + reader.finish()
    assert shown == text
    assert looks < 10
