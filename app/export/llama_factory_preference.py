"""LLaMA-Factory's preferences, in its ShareGPT form, with their entry in ``dataset_info.json``. For DPO and RM."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.messages import Role
from app.domain.training_rows import Reply, RowKind
from app.domain.turn_order import in_order
from app.export.base import Format, Options, Row, Source
from app.export.meta import pair_meta
from app.export.turns import HUMAN_GPT, named


def _rows(source: Source, _: Options) -> Iterator[Row | None]:
    for pair in source.rows.pairs:
        turns = in_order(pair.chosen.prompt)
        system = turns.pop(0).content if turns[0].role is Role.SYSTEM else ""
        if turns[0].role is not Role.USER or turns[-1].role is not Role.USER:  # it takes turns in pairs only
            yield None
            continue
        yield {
            "conversations": named(turns, HUMAN_GPT),
            "chosen": _message(pair.chosen),
            "rejected": _message(pair.rejected),
            "system": system,
            "meta": pair_meta(pair),
        }


def _message(reply: Reply) -> Row:
    return {"from": "gpt", "value": reply.message.content}


FORMAT = Format(
    "llama_factory_preference",
    "Two replies to a prompt, one preferred, for LLaMA-Factory.",
    (RowKind.PAIR,),
    _rows,
    dataset_info={
        "formatting": "sharegpt",
        "ranking": True,
        "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected", "system": "system"},
    },
)
