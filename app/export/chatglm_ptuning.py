"""ChatGLM-6B's own P-tuning data with history: ``prompt``, ``response`` and ``history``, rounds of earlier texts.

Its scripts read it with ``--prompt_column prompt --response_column response --history_column history``.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.training_rows import RowKind
from app.export.base import Format, Options, Row, Source
from app.export.meta import demonstration_meta
from app.export.turns import rounds, without_system


def _rows(source: Source, _: Options) -> Iterator[Row | None]:
    for row in source.rows.demonstrations:
        said = rounds(without_system(row.reply.prompt))
        if said is None:
            yield None
            continue
        yield {
            "prompt": said.question,
            "response": row.reply.message.content,
            "history": [list(each) for each in said.history],
            "meta": demonstration_meta(row),
        }


FORMAT = Format(
    "chatglm_ptuning", "Conversations with history, for ChatGLM's P-tuning.", (RowKind.DEMONSTRATION,), _rows
)
