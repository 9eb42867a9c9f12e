"""Jinja environment for chat templates: its sandbox, with the extras that transformers gives them.

What they may use: https://huggingface.co/docs/transformers/chat_templating_writing. Nothing can be loaded from a
template: no loader is there for ``include``, ``import`` and ``extends``, and a template that has them is refused.
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

_COMPILED = 16  # templates kept; a server has as many as it has models loaded


@functools.lru_cache(_COMPILED)
def compiled(source: str) -> Template:
    """The template, ready to run, in an environment that it shares with no other.

    Raises :class:`jinja2.TemplateError`, among them :class:`SecurityError` for one that asks for other files, and
    whatever Python raises for what it cannot compile.
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
        "dict": _dict,  # the type itself has methods that write
    }
    environment.globals.update(extras)
    environment.globals.pop("lipsum")  # filler text, as long as one asks for
    environment.filters["tojson"] = _tojson
    return environment


class _Generation(Extension):
    """``{% generation %}``: marks what a model has said, for those who train; here it is a block like any other."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        """The block's body, with a scope of its own."""
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
    """Jinja's own writes for HTML; models were trained on plain JSON."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
