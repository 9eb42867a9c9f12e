"""Checks a JSON schema that a reply shall follow, before an engine turns it into a grammar.

llama.cpp ignores a schema that it can't convert, so that the reply would follow nothing; others fail in their own
words. Supported is what llama.cpp's converter documents:
https://github.com/ggml-org/llama.cpp/tree/master/grammars#json-schemas--gbnf
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.errors import UnsupportedRequest

MAX_DEPTH = 32
MAX_PARTS = 2_000  # schemas within the schema
MAX_CHARS = 100_000
MAX_COUNT = 10_000  # of characters, entries
_TYPES = {"object", "array", "string", "number", "integer", "boolean", "null"}
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_MAX_BOUND = 2**53
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS = ("properties", "$defs", "definitions")
_SINGLE = ("items", "additionalProperties")
_REFUSED = ("not", "if", "patternProperties", "dependentSchemas", "propertyNames", "contains", "$dynamicRef")
_PATTERN = re.compile(r"\^[^\\(){}]*\$")  # of single characters and classes: counts multiply to huge grammars


def require_usable(schema: Mapping[str, Any]) -> None:
    """Raise :class:`UnsupportedRequest` with the reason if `schema` can't be followed."""
    require_depth(schema)
    pending: list[tuple[object, int]] = [(schema, 1)]
    for number, (part, depth) in enumerate(_growing(pending), 1):
        if number > MAX_PARTS or depth > MAX_DEPTH:
            raise _refused(f"at most {MAX_PARTS:,} parts, nested {MAX_DEPTH} deep, are possible")
        if isinstance(part, bool):
            continue
        if not isinstance(part, Mapping):
            raise _refused("a part of it is not an object")
        _check(part, schema)
        pending += [(inner, depth + 1) for inner in _inner(part)]
    chars = len(str(schema))
    if chars > MAX_CHARS:
        raise _refused(f"it has {chars:,} characters; at most {MAX_CHARS:,} are possible")


def require_depth(value: object) -> None:
    """Raise :class:`UnsupportedRequest` for what is nested too deep to be walked or written, in any of its values."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > 4 * MAX_DEPTH:
            raise _refused(f"at most {MAX_PARTS:,} parts, nested {MAX_DEPTH} deep, are possible")
        inner = (v for part in level if isinstance(part, Mapping | list) for v in _values(part))
        level = [v for v in inner if isinstance(v, Mapping | list)]


def _values(part: Mapping[str, Any] | list[Any]) -> Iterable[object]:
    return part.values() if isinstance(part, Mapping) else part


def _growing(pending: list[tuple[object, int]]) -> Iterator[tuple[object, int]]:
    while pending:
        yield pending.pop()


def _check(part: Mapping[str, Any], whole: Mapping[str, Any]) -> None:
    types = part.get("type", [])
    for name in types if isinstance(types, list) else [types]:
        if not isinstance(name, str) or name not in _TYPES:
            raise _refused(f"{str(name)[:40]!r} is not a type")
    for name in _REFUSED:
        if name in part:
            raise _refused(f"{name!r} can't be followed")
    for name in _COUNTS:
        if name in part and not (isinstance(part[name], int) and 0 <= part[name] <= MAX_COUNT):
            raise _refused(f"{name!r} must be a whole number of at most {MAX_COUNT:,}")
    for name in _BOUNDS:
        if name in part and not (isinstance(part[name], int | float) and abs(part[name]) <= _MAX_BOUND):
            raise _refused(f"{name!r} must be a number of at most {_MAX_BOUND:,}")
    if "pattern" in part and not _PATTERN.fullmatch(str(part["pattern"])):
        raise _refused("a 'pattern' must begin with ^, end with $, and have no groups, repetitions or escapes")
    if "$ref" in part:
        _require_target(part["$ref"], whole)


def _require_target(ref: object, whole: Mapping[str, Any]) -> None:
    at: object = whole
    for name in str(ref).removeprefix("#").strip("/").split("/") if str(ref).startswith("#") else ["?"]:
        at = at if not name else at.get(name) if isinstance(at, Mapping) else None
    if not isinstance(at, Mapping):
        raise _refused(f"the '$ref' {str(ref)[:60]!r} leads to nothing in it")


def _inner(part: Mapping[str, Any]) -> Iterator[object]:
    for name in _LISTS:
        if name in part:
            yield from part[name] if isinstance(part[name], list) else [None]
    for name in _MAPS:
        if name in part:
            yield from part[name].values() if isinstance(part[name], Mapping) else [None]
    for name in _SINGLE:
        if name in part:
            yield from part[name] if isinstance(part[name], list) else [part[name]]


def _refused(why: str) -> UnsupportedRequest:
    return UnsupportedRequest(f"`response_format`: this JSON schema can't be used: {why}.", field="response_format")
