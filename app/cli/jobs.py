"""``parley jobs …``: list, show, cancel and resume jobs, also while a server runs them.

It reads and changes their rows in the database; the server looks there once a second.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from app.cli.errors import reported
from app.cli.tables import print_table, size_text
from app.config import Settings
from app.domain.jobs import Job, JobProgress
from app.jobs.kind import find_kinds
from app.jobs.logs import tail
from app.jobs.service import require_resumable
from app.main import JOB_KINDS
from app.store import changing, reading
from app.store.repositories.users import LOCAL_USER

_LISTED = 50
_LOG_LINES = 40

app = typer.Typer(
    help="""List, show, cancel and resume jobs: downloads, imports, conversions, and builds of datasets of the page.

    `parley models pull`, `import` and `quantize` and `parley data build` work in the terminal and show their progress
    there; they are no jobs.

    Examples:

        parley jobs list

        parley jobs show 01JDC3W9RS5V0EXAMPLE000000

        parley jobs cancel 01JDC3W9RS5V0EXAMPLE000000
    """,
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

JobId = Annotated[str, typer.Argument(metavar="ID", help="A job's id, as `parley jobs list` shows it.")]


@app.command("list")
@reported
def list_jobs() -> None:
    """Show the newest 50 jobs, the newest first.

    Example:  parley jobs list
    """
    with reading(Settings().resolved_database_url) as store:
        found = store.jobs.newest(LOCAL_USER, _LISTED)
    if not found:
        print("No jobs. Downloads, imports, conversions and datasets that you start on the page are listed here.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("ID", "KIND", "OF", "STATE", "PROGRESS", "CREATED"):
        table.add_column(column, overflow="fold")
    for job in found:
        table.add_row(job.id, job.kind, _title(job), _state(job), _progress(job.progress), _time(job.created_at))
    print_table(table)


@app.command("show")
@reported
def show(job_id: JobId) -> None:
    """Show one job and the end of its log.

    Example:  parley jobs show 01JDC3W9RS5V0EXAMPLE000000
    """
    settings = Settings()
    with reading(settings.resolved_database_url) as store:
        job = store.jobs.get(LOCAL_USER, job_id)
    facts = {
        "Job": f"{job.kind} {_title(job)}".strip(),
        "State": _state(job),
        "Progress": _progress(job.progress),
        "Created": _time(job.created_at),
        "Started": _time(job.started_at),
        "Ended": _time(job.ended_at),
        "Error": job.error.message if job.error else "",
        "Result": ", ".join(f"{name}: {value}" for name, value in (job.result or {}).items()),
        "Log": str(settings.data_dir / job.log) if job.log else "",
    }
    for name, value in facts.items():
        if value:
            print(f"{name + ':':<10} {value}")
    for line in tail(settings.data_dir, job, _LOG_LINES):
        print(f"  {line}")


@app.command("cancel")
@reported
def cancel(job_id: JobId) -> None:
    """Cancel a job. What a download has received is kept, so that it can be resumed.

    Example:  parley jobs cancel 01JDC3W9RS5V0EXAMPLE000000
    """
    with changing(Settings().resolved_database_url) as store:
        job = store.jobs.cancel(LOCAL_USER, job_id)
    print("The running server cancels it within a few seconds." if job.is_active else "Cancelled.")


@app.command("resume")
@reported
def resume(job_id: JobId) -> None:
    """Queue a job again that failed, was cancelled or interrupted.

    Example:  parley jobs resume 01JDC3W9RS5V0EXAMPLE000000
    """
    with changing(Settings().resolved_database_url) as store:
        require_resumable(store.jobs.get(LOCAL_USER, job_id), find_kinds(JOB_KINDS))
        store.jobs.resume(LOCAL_USER, job_id)
    print("Queued. A running server starts it within a few seconds, otherwise the next `parley serve` does.")


def _title(job: Job) -> str:
    return str(job.parameters.get("title", ""))


def _state(job: Job) -> str:
    return "cancelling" if job.is_active and job.cancel_requested else job.state.value


def _progress(progress: JobProgress | None) -> str:
    if progress is None:
        return ""
    if progress.unit == "bytes":
        done, total = size_text(progress.done), size_text(progress.total)
    else:
        done, total = f"{progress.done:,}", "" if progress.total is None else f"{progress.total:,} {progress.unit}"
    return f"{progress.phase} {done} of {total}" if total else f"{progress.phase} {done}"


def _time(when: datetime | None) -> str:
    return when.astimezone().strftime("%Y-%m-%d %H:%M:%S") if when else ""
