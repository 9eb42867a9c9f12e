"""Exports a conversation as Markdown: the shown path, with a heading for each message."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.messages import Conversation, Message, MessageState, Role


def dump(conversation: Conversation, path: Sequence[Message], *, with_reasoning: bool = False) -> str:
    """A Markdown document of the shown path; `with_reasoning`: quoted before each reply."""
    title = " ".join((conversation.title or "Conversation").split())
    parts = [f"# {title}", f"*{conversation.created_at:%Y-%m-%d %H:%M} UTC*"]
    if conversation.system_prompt:
        parts.append("\n".join(f"> {line}" for line in conversation.system_prompt.splitlines()))
    for message in path:
        parts.append(f"## {_speaker(message)}")
        if with_reasoning and message.reasoning:
            parts.append("\n".join(f"> {line}".rstrip() for line in message.reasoning.splitlines()))
        parts.append(message.content or "—")
        if message.state not in (MessageState.COMPLETE, MessageState.PENDING):
            parts.append(f"*({message.state.value})*")
    return "\n\n".join(parts) + "\n"


def _speaker(message: Message) -> str:
    if message.role is Role.USER:
        return "You"
    return message.provenance.model_id if message.provenance else message.imported_model or "Assistant"
