"""LLaMA-Factory's conversations to imitate, in its ShareGPT form, with their entry in ``dataset_info.json``."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.messages import Role, Turn
from app.domain.training_rows import RowKind
from app.domain.turn_order import in_order
from app.export.base import Format, Options, Row, Source
from app.export.meta import demonstration_meta
from app.export.turns import HUMAN_GPT, named


def _rows(source: Source, _: Options) -> Iterator[Row | None]:
    for row in source.rows.demonstrations:
        turns = in_order(row.reply.prompt)
        system = turns.pop(0).content if turns[0].role is Role.SYSTEM else ""
        if turns[0].role is not Role.USER or turns[-1].role is not Role.USER:  # it takes turns in pairs only
            yield None
            continue
        said = [*turns, Turn(Role.ASSISTANT, row.reply.message.content)]
        yield {"conversations": named(said, HUMAN_GPT), "system": system, "meta": demonstration_meta(row)}


FORMAT = Format(
    "llama_factory_sft",
    "Conversations to imitate, for LLaMA-Factory.",
    (RowKind.DEMONSTRATION,),
    _rows,
    dataset_info={"formatting": "sharegpt", "columns": {"messages": "conversations", "system": "system"}},
)
