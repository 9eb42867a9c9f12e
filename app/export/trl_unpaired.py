"""TRL's unpaired preference: one rated reply per row. For KTO, which reads ``prompt``, ``completion`` and ``label``."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.training_rows import RowKind
from app.export.base import Format, Options, Row, Source
from app.export.meta import label_meta
from app.export.turns import chat, reasoning, reply


def _rows(source: Source, options: Options) -> Iterator[Row]:
    for label in source.rows.labels:
        yield {
            "prompt": chat(label.reply.prompt),
            "completion": reply(label.reply.message),
            "label": label.liked,
            **reasoning(options, reasoning=label.reply.message),
            "meta": label_meta(label),
        }


FORMAT = Format("trl_unpaired", "Replies with a thumb up or down. For TRL's KTO.", (RowKind.LABEL,), _rows)
