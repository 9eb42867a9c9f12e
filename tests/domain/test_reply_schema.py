"""Which JSON schemas a reply can follow."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from app.domain.reply_schema import MAX_DEPTH, require_usable
from app.errors import UnsupportedRequest


class Person(BaseModel):
    name: str
    age: int | None = None


class Team(BaseModel):
    people: list[Person]
    by_name: dict[str, Person]


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth - 1):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        Team.model_json_schema(),
        {"type": ["string", "null"], "maxLength": 10_000},
        {"type": "string", "pattern": "^[a-z]*$"},
        {"type": "integer", "minimum": -5, "exclusiveMaximum": 2**53},
        {"anyOf": [{"const": None}, {"enum": ["a", 1]}]},
        {"type": "object", "additionalProperties": False, "properties": {"a": {"$ref": "#"}}},
        nested(MAX_DEPTH),
    ],
)
def test_usable(schema: dict[str, Any]) -> None:
    require_usable(schema)


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "nonsense"}, "'nonsense' is not a type"),
        ({"$ref": "#/nowhere"}, "'#/nowhere' leads to nothing"),
        ({"$ref": "http://evil.example/x"}, "leads to nothing"),
        ({"properties": {"a": 5}}, "a part of it is not an object"),
        ({"properties": []}, "a part of it is not an object"),
        ({"anyOf": {}}, "a part of it is not an object"),
        ({"not": {"type": "string"}}, "'not' can't be followed"),
        ({"type": "string", "minLength": 100_000}, "'minLength' must be"),
        ({"type": "array", "items": {"maxItems": -1}}, "'maxItems' must be"),
        ({"type": "integer", "minimum": 10**40}, "'minimum' must be"),
        ({"type": "string", "pattern": "("}, "'pattern' must"),
        ({"type": "string", "pattern": "^(a{1000}){1000}$"}, "'pattern' must"),
        (nested(MAX_DEPTH + 1), "nested 32 deep"),
        ({"anyOf": [{}] * 3_000}, "2,000 parts"),
        ({"enum": ["x" * 200_000]}, "characters"),
    ],
)
def test_what_can_not_be_followed_is_told(schema: dict[str, Any], why: str) -> None:
    with pytest.raises(UnsupportedRequest, match="response_format") as refused:
        require_usable(schema)
    assert why in refused.value.message
