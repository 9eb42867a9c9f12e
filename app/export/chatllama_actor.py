"""ChatLLaMA's ``actor_training_data.json``: ``user_input`` and ``completion``, of replies to imitate.

It has one text for a dialogue; earlier turns are marked as in Anthropic's HH, from which ChatLLaMA makes its own data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.domain.messages import Turn
from app.domain.training_rows import RowKind
from app.export.base import Format, Layout, Options, Row, Source
from app.export.meta import demonstration_meta
from app.export.turns import transcript, without_system


def user_input(prompt: Sequence[Turn]) -> str | None:
    """A prompt in one text: a single question as it is, a dialogue with ``Human:`` and ``Assistant:`` before turns."""
    turns = without_system(prompt)
    if len(turns) == 1:
        return turns[0].content
    said = transcript(turns)
    return said.strip() if said is not None else None


def _rows(source: Source, _: Options) -> Iterator[Row | None]:
    for row in source.rows.demonstrations:
        asked = user_input(row.reply.prompt)
        if asked is None:
            yield None
            continue
        yield {"user_input": asked, "completion": row.reply.message.content, "meta": demonstration_meta(row)}


FORMAT = Format(
    "chatllama_actor", "ChatLLaMA's actor_training_data.json.", (RowKind.DEMONSTRATION,), _rows, Layout.ARRAY
)
