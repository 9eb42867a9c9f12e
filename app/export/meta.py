"""The origin of rows: the column ``meta``, a JSON string, so that no trainer takes a part of it for data.

It names the messages, judgements and models that a row comes from, so that every row can be traced and rebuilt.
"""

from __future__ import annotations

import json
from datetime import datetime

from app.domain.messages import Message
from app.domain.training_rows import Demonstration, Label, Pair, Prompt, RankedReplies
from app.export.base import Row


def label_meta(label: Label) -> str:
    """The origin of a rated reply."""
    rating = label.rating
    return _json(
        kind="label",
        source="ratings",
        **_written(label.reply.message),
        judgement_ids=list(label.judgement_ids),
        judged_at=_time(rating.created_at),
        votes_up=label.votes_up,
        votes_down=label.votes_down,
        score=rating.score,
        reasons=list(rating.reasons),
        comment=rating.comment,
    )


def pair_meta(pair: Pair) -> str:
    """The origin of a pair. `weight`: those of the pairs of a prompt add up to 1; TRL has none, so filter by it."""
    return _json(
        kind="pair",
        source=pair.source,
        conversation_id=pair.chosen.message.conversation_id,
        chosen=_written(pair.chosen.message),
        rejected=_written(pair.rejected.message),
        judgement_ids=list(pair.judgement_ids),
        judged_at=_time(pair.judged_at),
        weight=pair.weight,
        votes_for=pair.votes_for,
        votes_against=pair.votes_against,
        reasons=list(pair.reasons),
        comment=pair.comment,
    )


def ranking_meta(row: RankedReplies) -> str:
    """The origin of a ranking; replies and positions in the order of the row."""
    return _json(
        kind="ranking",
        source=row.ranking.source.value,
        conversation_id=row.ranking.conversation_id,
        replies=[_written(reply.message) for reply in row.replies],
        positions=[item.position for item in row.ranking.items],
        judgement_ids=[row.ranking.id],
        judged_at=_time(row.ranking.created_at),
        blind=row.ranking.blind,
    )


def demonstration_meta(row: Demonstration) -> str:
    """The origin of a reply to imitate; a person's correction has no model."""
    return _json(
        kind="demonstration",
        source=row.source,
        **_written(row.reply.message),
        judgement_ids=list(row.judgement_ids),
        judged_at=_time(row.judged_at),
    )


def prompt_meta(prompt: Prompt) -> str:
    """The origin of a prompt: the conversation, and the judgements of the replies to it."""
    message = prompt.reply.message
    return _json(
        kind="prompt",
        conversation_id=message.conversation_id,
        message_id=message.parent_id,
        judgement_ids=list(prompt.judgement_ids),
    )


def _written(message: Message) -> Row:
    """Which message it is and how it was written."""
    made = message.provenance
    return {
        "message_id": message.id,
        "conversation_id": message.conversation_id,
        "corrects_id": message.corrects_id,
        "created_at": _time(message.created_at),
        "finish_reason": message.finish_reason,
        "model": made.model_id if made else message.imported_model,
        "model_digest": made.model_digest if made else None,
        "adapter": made.adapter if made else None,
        "quantization": made.quantization if made else None,
        "engine": made.engine if made else None,
        "prompt_digest": made.prompt_digest if made else None,
        "seed": made.sampling.get("seed") if made else None,
    }


def _json(**values: object) -> str:
    return json.dumps(values, ensure_ascii=False, allow_nan=False)


def _time(at: datetime) -> str:
    """ISO 8601, UTC."""
    return at.isoformat(timespec="milliseconds")
