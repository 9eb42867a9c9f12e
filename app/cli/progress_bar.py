"""Progress of long operations: a bar on a terminal, occasional lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich import progress as bars
from rich.console import Console

from app.weights.progress import OnProgress, Progress

_VERBS = {
    "downloading": "downloading",
    "unpacking": "unpacking",
    "verifying": "verifying",
    "converting": "converting",
    "quantizing": "converting to GGUF",
    "copying": "copying",
}
_STEP_PERCENT = 20


def plain_console() -> Console:
    """Standard output; when it is not a terminal, lines are not wrapped at 80 columns."""
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=200)


@contextmanager
def show_progress(console: Console, title: str) -> Iterator[OnProgress]:
    """Show progress within the context; yields the function to report it to."""
    if not console.is_terminal:
        yield _Lines(title).show
        return
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.TaskProgressColumn(),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
    )
    with bars.Progress(*columns, console=console, transient=True) as progress:
        tasks = {phase: progress.add_task(f"{title}: {verb}", visible=False) for phase, verb in _VERBS.items()}

        def show(now: Progress) -> None:
            for phase, task in tasks.items():
                progress.update(task, visible=phase == now.phase)
            progress.update(tasks[now.phase], completed=now.done_bytes, total=now.total_bytes)

        yield show


class _Lines:
    """Progress as lines for a log: at the start of a phase and every 20 %."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._last_step: tuple[str, int] | None = None

    def show(self, now: Progress) -> None:
        """Print a line if the phase or the step has changed."""
        percent = min(100, 100 * now.done_bytes // now.total_bytes) if now.total_bytes else 0
        step = (now.phase, percent // _STEP_PERCENT)
        if step == self._last_step:
            return
        self._last_step = step
        total = f" of {now.total_bytes / 1e6:,.1f} MB" if now.total_bytes else ""
        print(f"{self._title}: {_VERBS[now.phase]} {percent} %{total}", flush=True)
