"""Colossal-AI's preferences: ``context`` (messages), ``chosen`` and ``rejected`` (one message each). For RM and DPO."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.training_rows import Reply, RowKind
from app.export.base import Format, Options, Row, Source
from app.export.meta import pair_meta
from app.export.turns import HUMAN_ASSISTANT, named, without_system


def _rows(source: Source, _: Options) -> Iterator[Row]:
    for pair in source.rows.pairs:
        yield {
            "context": named(without_system(pair.chosen.prompt), HUMAN_ASSISTANT, "content"),
            "chosen": _message(pair.chosen),
            "rejected": _message(pair.rejected),
            "meta": pair_meta(pair),
        }


def _message(reply: Reply) -> Row:
    return {"from": "assistant", "content": reply.message.content}


FORMAT = Format(
    "colossalai_preference", "Two replies to a context, one preferred, for Colossal-AI.", (RowKind.PAIR,), _rows
)
