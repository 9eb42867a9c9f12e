"""Child process that renders chat templates with minimal privileges.

Run by :class:`app.engine.worker_process.WorkerProcess` as ``python -m app.engine.templates.sandbox``. It can open no
files or connections, start no processes, and has limited memory; each rendering has a second or two of CPU time, after
which the kernel kills the process. Requests arrive over the inherited socket, one JSON object a line:

    {"template", "messages", "variables"}

Each gets one of these answers:

    {"text"}        the rendered prompt
    {"refused"}     the template's own error message, or what is wrong with it
    {"forbidden"}   it tried something that templates are not allowed to do
    {"endless"}     it exceeded a limit: memory, length, nesting
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any

from jinja2 import TemplateError
from jinja2.exceptions import SecurityError

from app.engine.lifeline import attach
from app.engine.templates.environment import compiled

_MEMORY_BYTES = 512 << 20  # address space, including some 150 MiB for Python itself
_LEAST_CHARS = 1 << 20  # allowed for any prompt, plus:
_CHARS_EACH = 4  # for every character of the conversation
_COMPUTING_S = 1  # CPU time, up to one second more: the kernel counts whole seconds

# Errors that a template can raise. Any other ends the process, which is then restarted.
_FAULTS = (
    TemplateError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
_WARM_UP = (
    "{{ [{'a': 1}] | tojson }}{{ [1] | pprint }}{{ 'a b' | wordwrap(1) }}{{ 'a' | urlize }}{{ [1, 2] | random }}"
    "{{ strftime_now('%d %b %Y') }}{{ nothing() }}"
)


def answer(request: Mapping[str, Any]) -> dict[str, str]:
    """The answer to one request."""
    try:
        return {"text": _rendered(request)}
    except SecurityError as wish:
        return {"forbidden": str(wish)}
    except MemoryError:
        return {"endless": "it took too much memory"}
    except RecursionError:
        return {"endless": "it recurses endlessly"}
    except _TooLong:
        return {"endless": "its output is endless"}
    except _FAULTS as fault:
        return {"refused": str(fault) or type(fault).__name__}


class _TooLong(Exception):
    """The rendered text exceeds the limit."""


def _rendered(request: Mapping[str, Any]) -> str:
    messages = request["messages"]
    limit = _LEAST_CHARS + _CHARS_EACH * sum(_length(message["content"]) for message in messages)
    variables = {"tools": None, "documents": None, "add_generation_prompt": True, **request["variables"]}
    pieces = []
    for piece in compiled(request["template"]).generate(messages=messages, **variables):
        pieces.append(piece)
        limit -= len(piece)
        if limit < 0:
            raise _TooLong
    return "".join(pieces)


def _length(content: str | list[dict[str, str]]) -> int:
    """The characters of a message's content: a text, or parts ``{"type": "text", "text": …}``."""
    return len(content) if isinstance(content, str) else sum(len(part["text"]) for part in content)


def _give_up_rights() -> None:
    """Set resource limits for the rest of this process. Open files stay open."""
    if sys.platform == "win32":
        return
    import resource

    for what, limit in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),  # no new files or sockets
    ):
        with contextlib.suppress(ValueError, OSError):  # not supported by the system, or already lower
            resource.setrlimit(what, (limit, limit))


def _start_clock() -> None:
    """Set a CPU time limit for the next rendering, enforced by the kernel."""
    if sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        with contextlib.suppress(ValueError):  # the process has a lower limit already
            resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + _COMPUTING_S, hard))


def main() -> None:
    """Answer requests until the parent closes the connection."""
    lifeline = attach()
    connection = socket.socket(fileno=int(str(lifeline.config["fd"])))
    answer({"template": _WARM_UP, "messages": [], "variables": {}})  # triggers Jinja's lazy imports
    _give_up_rights()
    lifeline.ready({"pid": os.getpid()})
    with connection.makefile("rb") as lines:
        for line in lines:
            _start_clock()
            said = answer(json.loads(line.decode("utf-8", "surrogatepass")))
            reply = json.dumps(said, ensure_ascii=False).encode("utf-8", "surrogatepass")
            connection.sendall(reply + b"\n")
    os._exit(0)


if __name__ == "__main__":
    main()
