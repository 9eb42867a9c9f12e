"""What a dataset would contain, without building it: counts, what is left out and why, and examples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from app.domain.feedback import ConversationFeedback
from app.export.base import Options, Row
from app.feedback.datasets.build import Check
from app.feedback.datasets.sources import sources
from app.feedback.datasets.spec import DatasetSpec
from app.feedback.datasets.tally import Tally

EXAMPLES = 3  # of each format
MAX_CONVERSATIONS = 2_000  # read for a preview: a few seconds


@dataclass(slots=True)
class Preview:
    """Counts of the rows by format, with the first ones, and of all that was read."""

    tally: Tally = field(default_factory=Tally)
    examples: dict[str, list[Row]] = field(default_factory=dict)
    complete: bool = True  # false: only the first conversations were read

    def as_dict(self) -> dict[str, Any]:
        """The preview as JSON."""
        formats = {
            name: {"rows": self.tally.written[name], "examples": examples} for name, examples in self.examples.items()
        }
        return {**self.tally.as_dict(), "formats": formats, "complete": self.complete}


def preview(conversations: Iterable[ConversationFeedback], spec: DatasetSpec, check: Check) -> Preview:
    """Read at most 2,000 `conversations`. `check` is called often and may raise to stop."""
    spec.check()
    made = Preview(examples={chosen.name: [] for chosen in spec.chosen()})
    left = iter(conversations)
    for source in sources(islice(left, MAX_CONVERSATIONS), spec, made.tally):
        check()
        for chosen in spec.chosen():
            for row in chosen.rows(source, Options(spec.reasoning)):
                if row is None:
                    made.tally.unrepresentable[chosen.name] += 1
                    continue
                made.tally.written[chosen.name] += 1
                if len(made.examples[chosen.name]) < EXAMPLES:
                    made.examples[chosen.name].append(row)
    made.complete = made.tally.read < MAX_CONVERSATIONS or next(left, None) is None
    return made
