"""Child process that runs one job, with low priority. The server's side is :mod:`app.jobs.process`.

    python -m app.jobs.child
        {"module": "app.jobs.kinds.fetch", "parameters": {…}, "places": {…}, "folder": "…"}
            → {"progress": {"phase", "done", "total", "unit"}} as it goes on, and at the end one of
              {"done": result}, {"failed": {"code", "message", "details"}}, {"cancelled": true}

reads and writes JSON lines. The end of its input asks it to stop: the job was cancelled, or the server has ended. What
is printed or logged goes to standard error, which is the job's log.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.domain.jobs import JobProgress
from app.errors import FetchCancelled, JobCancelled, JobFailed, ParleyError
from app.jobs.context import JobContext, Places

log = logging.getLogger(__name__)

_NICENESS = 10


class Parent:
    """The connection to the server."""

    def __init__(self) -> None:
        """Read the request; from here on, what libraries print goes to the log."""
        self._answers = os.fdopen(os.dup(1), "w", encoding="ascii")
        os.dup2(2, 1)
        self.request: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
        self._stop = threading.Event()
        threading.Thread(target=self._watch_input, name="wait for the end of the input", daemon=True).start()

    def cancelled(self) -> bool:
        """Whether the job is to stop."""
        return self._stop.is_set()

    def send(self, **message: object) -> None:
        """Send one message; if the server has ended, the job is to stop."""
        try:
            print(json.dumps(message, default=str), file=self._answers, flush=True)
        except BrokenPipeError:
            self._stop.set()

    def _watch_input(self) -> None:
        while os.read(0, 4096):
            pass
        self._stop.set()


def main() -> None:
    """Run the job of the request."""
    parent = Parent()
    os.chdir(parent.request["folder"])  # the server's, to which paths in its environment may be relative
    os.nice(_NICENESS)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)

    def report(progress: JobProgress) -> None:
        parent.send(progress=asdict(progress))

    places = parent.request["places"]
    context = JobContext(
        Places(Path(places["data_dir"]), Path(places["store_dir"]), places["database_url"]), report, parent.cancelled
    )
    try:
        kind = importlib.import_module(parent.request["module"]).KIND
        result = kind.run(context, parent.request["parameters"])
    except (JobCancelled, FetchCancelled):
        log.info("stopped")
        parent.send(cancelled=True)
    except ParleyError as err:
        log.error("failed: %s", err.message)  # noqa: TRY400  (an expected error)
        parent.send(failed=err.payload())
    except Exception as err:
        log.exception("failed with an unexpected error")
        text = f"It failed with an unexpected error: {type(err).__name__}: {err}. Its log shows where."
        parent.send(failed=JobFailed(text).payload())
    else:
        log.info("done")
        parent.send(done=dict(result))


if __name__ == "__main__":
    main()
