"""How far our ChatGLMs are from the originals: ``python -m tests.torch.golden_table`` prints one line for each case.

Columns: the largest difference on a logit (real tokens only), how many tokens of the greedy reply differ, and how many
texts, prompts or replies do. The tests check the same; this shows by how much.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from transformers.utils import logging


class Line(NamedTuple):
    """One case. What a case does not have is ``None``."""

    folder: str
    case: str
    logits: float | None = None
    greedy: int | None = None  # tokens that differ
    texts: int | None = None  # texts, prompts or replies that differ


# Modules with `table() -> Iterator[Line]`, one for each generation.
GENERATIONS = ("tests.torch.chatglm.table", "tests.torch.chatglm2.table")


def main() -> None:
    """Print the table. A folder that is not here is named as such."""
    logging.disable_progress_bar()
    print(f"{'folder':24} {'case':28} {'logits':>9} {'greedy':>7} {'texts':>7}")
    for module in GENERATIONS:
        table: Callable[[], Iterator[Line]] = importlib.import_module(module).table
        for line in table():
            logits = "" if line.logits is None else f"{line.logits:.1e}"
            counts = ["" if count is None else str(count) for count in (line.greedy, line.texts)]
            print(f"{line.folder:24} {line.case:28} {logits:>9} {counts[0]:>7} {counts[1]:>7}")


def differing(ours: list[int], theirs: list[int]) -> int:
    """Places at which two lists differ, those that only one has included."""
    return sum(one != other for one, other in zip(ours, theirs, strict=False)) + abs(len(ours) - len(theirs))


def absent(folder: str, lines: Callable[[], Iterator[Line]]) -> Iterator[Line]:
    """The lines of a folder, or one that says that it is not here."""
    try:
        yield from lines()
    except pytest.skip.Exception:
        yield Line(folder, "(not here)")


if __name__ == "__main__":
    main()
