"""Jinja environment for chat templates: Jinja's sandbox, with the extensions that transformers provides.

The extensions: https://huggingface.co/docs/transformers/chat_templating_writing. Templates can't load other files:
there is no loader, and a template with ``include``, ``import`` or ``extends`` is rejected.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import Environment, Template, TemplateError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

_COMPILED = 16  # cached templates; a server needs one for each loaded model


@functools.lru_cache(_COMPILED)
def compiled(source: str) -> Template:
    """The compiled template, in an environment of its own.

    Raises :class:`jinja2.TemplateError`, in particular :class:`SecurityError` for one that loads other files, and
    Python's errors for code that it cannot compile.
    """
    environment = _environment()
    tree = environment.parse(source)
    if wanted := list(meta.find_referenced_templates(tree)):
        raise SecurityError(f"it includes another file, {wanted[0]!r}")
    return environment.from_string(tree)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    extras: dict[str, Callable[..., Any]] = {
        "raise_exception": _raise_exception,
        "strftime_now": _strftime_now,
        "dict": _dict,  # a function: the type has methods that templates must not call
    }
    environment.globals.update(extras)
    environment.globals.pop("lipsum")  # generates filler text of any length
    environment.filters["tojson"] = _tojson
    return environment


class _Generation(Extension):
    """``{% generation %}``, which marks assistant text for training; here it is an ordinary block."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        """Parse the block's body into a scope."""
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


def _raise_exception(message: object) -> NoReturn:
    raise TemplateError(str(message))


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)


def _dict(*entries: Any, **named: Any) -> dict[Any, Any]:
    return dict(*entries, **named)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Plain JSON, as in training; Jinja's own filter escapes for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
