"""Validation errors in words: which field is wrong, and what it must be. The input's values are never repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_SHOWN = 5
_SHOWN_CHARS = 60  # of a field's name: the client chooses it
# By pydantic's error types: https://docs.pydantic.dev/latest/errors/validation_errors/
_WHAT = {
    "missing": "is missing",
    "extra_forbidden": "is not a field that is known here",
    "string_too_long": "may have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "too_short": "must have at least {min_length} entries",
    "too_long": "may have at most {max_length} entries",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "finite_number": "must be a finite number",
    "json_invalid": "is not valid JSON ({error})",
    "value_error": "{error}",
}
_KINDS = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "dict": "an object",
    "model": "an object",
    "datetime": "a date with a time",
}


def validation_text(problems: Sequence[Mapping[str, Any]]) -> str:
    """Fields and problems, joined by semicolons. A field of several possible types is named once, with all of them."""
    by_field: dict[str, list[str]] = {}
    for problem in problems:
        said = by_field.setdefault(_field(problem), [])
        if (what := _what(problem)) not in said:
            said.append(what)
    return "; ".join(_sentence(field, said) for field, said in list(by_field.items())[:_SHOWN])


def _sentence(field: str, said: list[str]) -> str:
    kinds = [what.removeprefix("must be ") for what in said if what.startswith("must be ")]
    what = f"must be {' or '.join(kinds)}" if len(kinds) == len(said) else said[0]
    return f"{field} {what}" if field else f"the body {what}"


def _field(problem: Mapping[str, Any]) -> str:
    """The path of a field, such as ``messages.0.content``, without the names of types that pydantic puts into it."""
    path = [part for part in problem.get("loc", ()) if part != "body"]
    if problem.get("type") == "json_invalid":  # its location is an offset
        path = []
    names = [str(part)[:_SHOWN_CHARS] for part in path if isinstance(part, int) or _is_name(part)]
    return ".".join(names)


def _is_name(part: object) -> bool:
    """Whether a part of a location was sent, and is not the type of a union that was tried."""
    text = str(part)
    return not (
        any(sign in text for sign in "[](),")
        or text in ("str", "int", "float", "bool", "constrained-str")
        or (text[:1].isupper() and text.isidentifier())
    )


def _what(problem: Mapping[str, Any]) -> str:
    kind, context = str(problem.get("type", "")), problem.get("ctx", {})
    if kind in _WHAT:
        return _WHAT[kind].format_map(_Known({name: str(value)[:200] for name, value in context.items()}))
    name = kind.partition("_")[0]
    return f"must be {_KINDS[name]}" if name in _KINDS else str(problem.get("msg", "is not valid"))


class _Known(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"
