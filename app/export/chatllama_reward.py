"""ChatLLaMA's ``reward_training_data.json``: ``user_input``, ``completion`` and a ``score`` from 0 to 5.

Each rater counts once, and the score is the mean. Who gave a score from 1 to 10 counts with ``(score - 1) * 5 / 9``, so
that 1 becomes 0 and 10 becomes 5; who gave only a thumb, with 4 for up and 1 for down: clear, but not extreme.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.feedback import MAX_SCORE, Rating, Verdict, current_ratings
from app.domain.training_rows import RowKind
from app.export.base import Format, Layout, Options, Row, Source
from app.export.chatllama_actor import user_input
from app.export.meta import label_meta

TOP = 5.0
UP, DOWN = 4.0, 1.0


def score_of(rating: Rating) -> float:
    """A rating as a score from 0 to 5."""
    if rating.score is not None:
        return (rating.score - 1) * TOP / (MAX_SCORE - 1)
    return UP if rating.verdict is Verdict.UP else DOWN


def _rows(source: Source, _: Options) -> Iterator[Row | None]:
    given = {rating.id: rating for rating in current_ratings(source.feedback.ratings)}
    for label in source.rows.labels:
        asked = user_input(label.reply.prompt)
        if asked is None:
            yield None
            continue
        scores = [score_of(given[key]) for key in label.judgement_ids]
        yield {
            "user_input": asked,
            "completion": label.reply.message.content,
            "score": round(sum(scores) / len(scores), 2),
            "meta": label_meta(label),
        }


FORMAT = Format(
    "chatllama_reward",
    "ChatLLaMA's reward_training_data.json: replies with scores from 0 to 5.",
    (RowKind.LABEL,),
    _rows,
    Layout.ARRAY,
)
