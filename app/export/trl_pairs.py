"""TRL's preference pairs: two replies to the same prompt, one preferred. For DPO and reward models.

Trainers read ``prompt``, ``chosen`` and ``rejected`` and ignore the other columns; none is named ``image`` or
``images``, which TRL would take for pictures.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.training_rows import RowKind
from app.export.base import Format, Options, Row, Source
from app.export.meta import pair_meta
from app.export.turns import chat, reasoning, reply


def _rows(source: Source, options: Options) -> Iterator[Row]:
    for pair in source.rows.pairs:
        chosen, rejected = pair.chosen.message, pair.rejected.message
        yield {
            "prompt": chat(pair.chosen.prompt),
            "chosen": reply(chosen),
            "rejected": reply(rejected),
            **reasoning(options, chosen_reasoning=chosen, rejected_reasoning=rejected),
            "meta": pair_meta(pair),
        }


FORMAT = Format(
    "trl_pairs", "Two replies to a prompt, one preferred. For TRL's DPO and reward trainers.", (RowKind.PAIR,), _rows
)
