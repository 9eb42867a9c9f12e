"""Child process that renders chat templates with almost no rights.

Run by :class:`app.engine.worker_process.WorkerProcess` as ``python -m app.engine.templates.sandbox``. It can open no
file and no connection, start no process, and has little memory; each rendering has a second or two of CPU time, after
which the kernel ends the process. Requests arrive over the inherited socket, one JSON object a line:

    {"template", "messages", "variables"}

Each gets one of these answers:

    {"text"}        the conversation, ready for the reply
    {"refused"}     the template's own words, or what is wrong with it
    {"forbidden"}   it wants what no template may
    {"endless"}     it took too much: memory, text, nesting
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

_MEMORY_BYTES = 512 << 20  # address space; some 150 MiB of it are Python's own
_LEAST_CHARS = 1 << 20  # that a prompt may have, and besides:
_CHARS_EACH = 4  # for every one that the conversation has
_COMPUTING_S = 1  # and up to one more: the kernel counts whole seconds

# What a template can raise by what it does. Anything else ends the process, which is started anew.
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
    """What one request comes to."""
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
    """More text than any conversation makes."""


def _rendered(request: Mapping[str, Any]) -> str:
    messages = request["messages"]
    limit = _LEAST_CHARS + _CHARS_EACH * sum(len(message["content"]) for message in messages)
    variables = {"tools": None, "documents": None, "add_generation_prompt": True, **request["variables"]}
    pieces = []
    for piece in compiled(request["template"]).generate(messages=messages, **variables):
        pieces.append(piece)
        limit -= len(piece)
        if limit < 0:
            raise _TooLong
    return "".join(pieces)


def _give_up_rights() -> None:
    """Limits that hold for the rest of this process. What is open stays open."""
    if sys.platform == "win32":
        return
    import resource

    for what, limit in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),  # nothing more can be opened, sockets neither
    ):
        with contextlib.suppress(ValueError, OSError):  # a system that knows no such limit, or has a lower one
            resource.setrlimit(what, (limit, limit))


def _start_clock() -> None:
    """Have the kernel end this process if what comes next computes too long, whatever it is doing then."""
    if sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        with contextlib.suppress(ValueError):  # what the whole process may compute is less: that will do as well
            resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + _COMPUTING_S, hard))


def main() -> None:
    """Answer until the parent hangs up."""
    lifeline = attach()
    connection = socket.socket(fileno=int(str(lifeline.config["fd"])))
    answer({"template": _WARM_UP, "messages": [], "variables": {}})  # imports what Jinja imports late
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
