"""TRL's conversations to imitate, in ``messages``: corrected replies, and those that were rated up. For SFT."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.training_rows import RowKind
from app.export.base import Format, Options, Row, Source
from app.export.meta import demonstration_meta
from app.export.turns import chat, reasoning, reply


def _rows(source: Source, options: Options) -> Iterator[Row]:
    for row in source.rows.demonstrations:
        yield {
            "messages": [*chat(row.reply.prompt), *reply(row.reply.message)],
            **reasoning(options, reasoning=row.reply.message),
            "meta": demonstration_meta(row),
        }


FORMAT = Format("trl_sft", "Conversations to imitate. For TRL's SFT trainer.", (RowKind.DEMONSTRATION,), _rows)
