"""Colossal-AI's KTO data: ``prompt`` (messages), ``completion`` (one message) and ``label``."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.training_rows import RowKind
from app.export.base import Format, Options, Row, Source
from app.export.meta import label_meta
from app.export.turns import HUMAN_ASSISTANT, named, without_system


def _rows(source: Source, _: Options) -> Iterator[Row]:
    for label in source.rows.labels:
        yield {
            "prompt": named(without_system(label.reply.prompt), HUMAN_ASSISTANT, "content"),
            "completion": {"from": "assistant", "content": label.reply.message.content},
            "label": label.liked,
            "meta": label_meta(label),
        }


FORMAT = Format("colossalai_kto", "Replies with a thumb up or down, for Colossal-AI.", (RowKind.LABEL,), _rows)
