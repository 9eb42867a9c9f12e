"""Anthropic's HH: ``chosen`` and ``rejected`` as whole dialogues in one text, ``\\n\\nHuman: …\\n\\nAssistant: …``."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.messages import Role, Turn
from app.domain.training_rows import Reply, RowKind
from app.export.base import Format, Options, Row, Source
from app.export.meta import pair_meta
from app.export.turns import transcript


def _rows(source: Source, _: Options) -> Iterator[Row | None]:
    for pair in source.rows.pairs:
        chosen, rejected = _dialogue(pair.chosen), _dialogue(pair.rejected)
        if chosen is None or rejected is None:
            yield None
        else:
            yield {"chosen": chosen, "rejected": rejected, "meta": pair_meta(pair)}


def _dialogue(reply: Reply) -> str | None:
    return transcript([*reply.prompt, Turn(Role.ASSISTANT, reply.message.content)])


FORMAT = Format(
    "anthropic_hh", "Preferred and rejected dialogues as text, like Anthropic's HH.", (RowKind.PAIR,), _rows
)
