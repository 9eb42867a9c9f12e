"""BELLE's conversations, ``{id, conversations: [{from: human | assistant, value}]}``. For its SFT scripts."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.messages import Role, Turn
from app.domain.training_rows import RowKind
from app.export.base import Format, Options, Row, Source
from app.export.meta import demonstration_meta
from app.export.turns import HUMAN_ASSISTANT, named, without_system


def _rows(source: Source, _: Options) -> Iterator[Row]:
    for row in source.rows.demonstrations:
        said = [*row.reply.prompt, Turn(Role.ASSISTANT, row.reply.message.content)]
        yield {
            "id": row.reply.message.id,
            "conversations": named(without_system(said), HUMAN_ASSISTANT),
            "meta": demonstration_meta(row),
        }


FORMAT = Format("belle", "Conversations to imitate, as BELLE has them.", (RowKind.DEMONSTRATION,), _rows)
