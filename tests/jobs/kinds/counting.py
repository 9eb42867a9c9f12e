"""Counts rows, goes on from where it was, and misbehaves as its parameters say."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.errors import FetchFailed
from app.jobs.context import JobContext
from app.jobs.kind import JobKind


def run(context: JobContext, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Count to `rows` in a file, one each time the file `gate` exists; or do what else `then` says."""
    count, gate = Path(parameters["count"]), Path(parameters["gate"])
    rows = int(parameters["rows"])
    begun = done = int(count.read_text()) if count.exists() else 0
    print("printed, not an answer")
    logging.getLogger(__name__).info("beginning at %d", done)
    context.report("counting", done, rows)
    while done < rows:
        if parameters.get("then") != "ignore":
            context.check_cancelled()
        if gate.exists():
            done += 1
            count.write_text(str(done))
            context.report("counting", done, rows)
        else:
            time.sleep(0.01)
    match parameters.get("then"):
        case "fail":
            raise FetchFailed("The disk is full. Free some space.", reason="disk", path=Path("/tmp/x"))
        case "bug":
            raise ZeroDivisionError("a bug")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
    return {"rows": done, "begun": begun, "niceness": os.nice(0), "pid": os.getpid()}


KIND = JobKind("count", run, at_once=2)
