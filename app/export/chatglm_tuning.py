"""ChatGLM-Tuning's rows, as its ``cover_alpaca2jsonl.py`` writes them: ``context`` and ``target``.

``context`` is ``Instruction: …\\nInput: …\\nAnswer: ``; with a system prompt, that is the instruction and the question
is the input. The format has one question and no history, so longer conversations are left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.domain.messages import Role, Turn
from app.domain.training_rows import RowKind
from app.domain.turn_order import in_order
from app.export.base import Format, Options, Row, Source
from app.export.meta import demonstration_meta


def _context(prompt: Sequence[Turn]) -> str | None:
    turns = in_order(prompt)
    match [turn.role for turn in turns]:
        case [Role.USER]:
            return f"Instruction: {turns[0].content}\nAnswer: "
        case [Role.SYSTEM, Role.USER]:
            return f"Instruction: {turns[0].content}\nInput: {turns[1].content}\nAnswer: "
    return None


def _rows(source: Source, _: Options) -> Iterator[Row | None]:
    for row in source.rows.demonstrations:
        context = _context(row.reply.prompt)
        if context is None:
            yield None
            continue
        yield {"context": context, "target": row.reply.message.content, "meta": demonstration_meta(row)}


FORMAT = Format("chatglm_tuning", "Single questions with answers, for ChatGLM-Tuning.", (RowKind.DEMONSTRATION,), _rows)
