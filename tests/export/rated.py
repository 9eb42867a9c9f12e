"""A conversation that was judged, with fixed ids and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.domain.feedback import ConversationFeedback, Rating, Verdict
from app.domain.generation import FinishReason
from app.domain.messages import Conversation, Message, MessageState, Provenance, Role

START = datetime(2026, 1, 1, tzinfo=UTC)


def rated_conversation(id_: str = "C1") -> ConversationFeedback:
    """One question with a liked, a disliked, a cancelled and an unrated reply, under a system prompt."""
    conversation = Conversation(id_, "local", "Tea", None, "Changed since.", {}, None, False, START, START)
    question = _message(id_, 0, None, Role.USER, "泡绿茶用多热的水？")
    good = _message(id_, 1, question, Role.ASSISTANT, "八十度。🍵\n别用沸水。")
    bad = _message(id_, 2, question, Role.ASSISTANT, 'Just "boil" it.', model_id="other-model")
    half = _message(id_, 3, question, Role.ASSISTANT, "水", state=MessageState.CANCELLED)
    unrated = _message(id_, 4, question, Role.ASSISTANT, "不知道。")
    ratings = (
        _rating(0, good, Verdict.UP, score=9),
        _rating(1, bad, Verdict.DOWN, reasons=("wrong", "language"), comment="Wrong, and not Chinese."),
        _rating(2, half, Verdict.DOWN),
    )
    return ConversationFeedback(conversation, (question, good, bad, half, unrated), ratings)


def _message(
    conversation_id: str,
    minute: int,
    parent: Message | None,
    role: Role,
    content: str,
    state: MessageState = MessageState.COMPLETE,
    model_id: str = "smollm2-135m-instruct",
) -> Message:
    written = Provenance(model_id, "b179", "native", "llama_cpp", "Q4_1", {}, "c0ffee", system_prompt="Be brief.")
    return Message(
        id=f"{conversation_id}M{minute}",
        conversation_id=conversation_id,
        parent_id=parent.id if parent else None,
        role=role,
        content=content,
        state=state,
        created_at=START + timedelta(minutes=minute),
        finish_reason=FinishReason.STOP if role is Role.ASSISTANT else None,
        provenance=written if role is Role.ASSISTANT else None,
    )


def _rating(
    hour: int,
    message: Message,
    verdict: Verdict,
    reasons: tuple[str, ...] = (),
    comment: str = "",
    score: int | None = None,
) -> Rating:
    at = START + timedelta(hours=1 + hour)
    return Rating(f"R{hour}", message.id, "local", verdict, reasons, comment, score, at)
