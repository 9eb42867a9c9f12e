"""Colossal-AI's conversations, ``{messages: [{from: human | assistant, content}]}``. For its SFT."""

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
            "messages": named(without_system(said), HUMAN_ASSISTANT, "content"),
            "meta": demonstration_meta(row),
        }


FORMAT = Format("colossalai_sft", "Conversations to imitate, for Colossal-AI.", (RowKind.DEMONSTRATION,), _rows)
