"""Orders of replies to a prompt: ``completions`` from best to worst with their ``ranks``; equal ranks are ties.

With ``both_bad`` no reply is good: all have rank 1, and it isn't a tie.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.training_rows import RowKind
from app.export.base import Format, Options, Row, Source
from app.export.meta import ranking_meta
from app.export.turns import chat, reply


def _rows(source: Source, options: Options) -> Iterator[Row]:
    for row in source.rows.rankings:
        thought = [given.message.reasoning for given in row.replies]
        yield {
            "prompt": chat(row.replies[0].prompt),
            "completions": [reply(given.message) for given in row.replies],
            "ranks": [item.rank or 1 for item in row.ranking.items],
            "both_bad": row.ranking.both_bad,
            **({"reasoning": thought} if options.reasoning else {}),
            "meta": ranking_meta(row),
        }


FORMAT = Format("rankings", "Replies to a prompt in order, with ties. For listwise losses.", (RowKind.RANKING,), _rows)
