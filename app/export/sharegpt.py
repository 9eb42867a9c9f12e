"""ShareGPT's conversations, ``{id, conversations: [{from: system | human | gpt, value}]}``, read by many trainers."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.messages import Role, Turn
from app.domain.training_rows import RowKind
from app.export.base import Format, Options, Row, Source
from app.export.meta import demonstration_meta
from app.export.turns import HUMAN_GPT, named


def _rows(source: Source, _: Options) -> Iterator[Row]:
    for row in source.rows.demonstrations:
        said = [*row.reply.prompt, Turn(Role.ASSISTANT, row.reply.message.content)]
        yield {
            "id": row.reply.message.id,
            "conversations": named(said, HUMAN_GPT),
            "meta": demonstration_meta(row),
        }


FORMAT = Format("sharegpt", "Conversations to imitate, as ShareGPT has them.", (RowKind.DEMONSTRATION,), _rows)
