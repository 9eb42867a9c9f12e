"""Conversations that were judged, with fixed ids and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.domain.feedback import ConversationFeedback, RankedReply, Ranking, RankingSource, Rating, Verdict
from app.domain.generation import FinishReason
from app.domain.messages import Conversation, Message, MessageState, Provenance, Role
from app.export.base import Format, Options, Row
from app.feedback.datasets.sources import sources
from app.feedback.datasets.spec import DatasetSpec
from app.feedback.datasets.tally import Tally

START = datetime(2026, 1, 1, tzinfo=UTC)


def rated_conversation(id_: str = "C1") -> ConversationFeedback:
    """One question with a liked, a disliked, a cancelled and an unrated reply, under a system prompt."""
    conversation = Conversation(id_, "local", "Tea", None, "Changed since.", {}, None, False, START, START)
    question = _message(id_, 0, None, Role.USER, "泡绿茶用多热的水？")
    good = _message(id_, 1, question, Role.ASSISTANT, "八十度。🍵\n别用沸水。", reasoning="绿茶怕烫。")
    bad = _message(id_, 2, question, Role.ASSISTANT, 'Just "boil" it.', model_id="other-model")
    half = _message(id_, 3, question, Role.ASSISTANT, "水", state=MessageState.CANCELLED)
    unrated = _message(id_, 4, question, Role.ASSISTANT, "不知道。")
    ratings = (
        _rating(id_, 0, good, Verdict.UP, score=9),
        _rating(id_, 1, bad, Verdict.DOWN, reasons=("wrong", "language"), comment="Wrong, and not Chinese."),
        _rating(id_, 2, half, Verdict.DOWN),
    )
    return ConversationFeedback(conversation, (question, good, bad, half, unrated), ratings)


def long_conversation(id_: str = "C2", *, system_prompt: str = "") -> ConversationFeedback:
    """Two questions; the second reply was corrected, and its three versions were ranked."""
    conversation = Conversation(id_, "local", "", None, system_prompt, {}, None, False, START, START)
    first = _message(id_, 0, None, Role.USER, "Which tea is green?")
    answer = _message(id_, 1, first, Role.ASSISTANT, "Longjing is.", system_prompt=system_prompt)
    second = _message(id_, 2, answer, Role.USER, "How hot?")
    versions = [
        _message(id_, 3 + n, second, Role.ASSISTANT, text, system_prompt=system_prompt)
        for n, text in enumerate(("Boiling.", "Warm.", "80 °C."))
    ]
    corrected = _message(id_, 6, second, Role.ASSISTANT, "75 to 80 °C.", corrects=versions[2])
    order = [RankedReply(message.id, rank, rank) for message, rank in zip(versions[::-1], (1, 2, 2), strict=True)]
    rankings = (
        _ranking(id_, 0, second, RankingSource.RANKING, order, blind=True),
        _ranking(
            id_, 1, second, RankingSource.CORRECTION, [RankedReply(corrected.id, 1), RankedReply(versions[2].id, 2)]
        ),
    )
    return ConversationFeedback(conversation, (first, answer, second, *versions, corrected), (), rankings)


def rows_of(made: Format, *conversations: ConversationFeedback, options: Options = Options()) -> list[Row | None]:  # noqa: B008
    """The rows of a format."""
    found = sources(conversations, DatasetSpec("test", (made.name,)), Tally())
    return [row for source in found for row in made.rows(source, options)]


def complete_rows_of(made: Format, *conversations: ConversationFeedback, options: Options = Options()) -> list[Row]:  # noqa: B008
    """The rows of a format, which can express all of them."""
    found = rows_of(made, *conversations, options=options)
    rows = [row for row in found if row is not None]
    assert len(rows) == len(found)
    return rows


def _message(
    conversation_id: str,
    minute: int,
    parent: Message | None,
    role: Role,
    content: str,
    state: MessageState = MessageState.COMPLETE,
    model_id: str = "smollm2-135m-instruct",
    system_prompt: str = "Be brief.",
    reasoning: str = "",
    corrects: Message | None = None,
) -> Message:
    written = Provenance(
        model_id, "b179", "native", "llama_cpp", "Q4_1", {"seed": 7}, "c0ffee", system_prompt=system_prompt
    )
    by_model = role is Role.ASSISTANT and corrects is None
    return Message(
        id=f"{conversation_id}M{minute}",
        conversation_id=conversation_id,
        parent_id=parent.id if parent else None,
        role=role,
        content=content,
        state=state,
        created_at=START + timedelta(minutes=minute),
        finish_reason=FinishReason.STOP if by_model else None,
        corrects_id=corrects.id if corrects else None,
        provenance=written if by_model else None,
        reasoning=reasoning,
    )


def _rating(
    conversation_id: str,
    hour: int,
    message: Message,
    verdict: Verdict,
    reasons: tuple[str, ...] = (),
    comment: str = "",
    score: int | None = None,
) -> Rating:
    at = START + timedelta(hours=1 + hour)
    return Rating(f"{conversation_id}R{hour}", message.id, "local", verdict, reasons, comment, score, at)


def _ranking(
    conversation_id: str,
    hour: int,
    prompt: Message,
    source: RankingSource,
    items: list[RankedReply],
    *,
    blind: bool = False,
) -> Ranking:
    at = START + timedelta(hours=1 + hour)
    id_ = f"{conversation_id}K{hour}"
    return Ranking(id_, "local", conversation_id, prompt.id, source, tuple(items), blind, False, False, at)
