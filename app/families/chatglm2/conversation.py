"""Converts the messages of a conversation to texts and special tokens, before encoding."""

from __future__ import annotations

import json

from app.domain.messages import Role
from app.families.chatglm2_prompt import render
from app.families.glm.conversations import Message, Messages, Piece, Tools, turns_of

# The introduction of tools in ChatGLM3's own examples.
_ANNOUNCEMENT = "Answer the following questions as best as you can. You have access to the following tools:"
_ROLE_TOKENS = {
    "system": "<|system|>",
    "user": "<|user|>",
    "assistant": "<|assistant|>",
    "observation": "<|observation|>",
    "tool": "<|observation|>",  # transformers' name
}
_BEGINNING = (Piece("[gMASK]", special=True), Piece("sop", special=True))


def chatglm2_pieces(messages: Messages, *, generation: bool) -> list[Piece]:
    """One text for all rounds, and a separate one for a reply at the end, as when the model generates it.

    Raises :class:`ValueError` for a role that ChatGLM2 does not know.
    """
    turns = turns_of(messages)
    if turns and turns[-1].role is Role.ASSISTANT and not generation:
        return [*_BEGINNING, Piece(render(turns[:-1])), Piece(turns[-1].content, assistant=True)]
    return [*_BEGINNING, Piece(render(turns))]


def chatglm3_pieces(messages: Messages, tools: Tools | None, *, generation: bool) -> list[Piece]:
    """For each message its role token, its metadata with the end of a line, and its content.

    Raises :class:`ValueError` for a role that ChatGLM3 does not know.
    """
    pieces = list(_BEGINNING)
    for message in _with_tools(messages, tools) if tools else messages:
        role, content = message["role"], str(message["content"])
        if role not in _ROLE_TOKENS:
            raise ValueError(f"There is no {role!r} in ChatGLM3: its roles are {', '.join(_ROLE_TOKENS)}.")
        assistant = role == "assistant"
        if role == "system" and message.get("tools"):
            content += "\n" + json.dumps(message["tools"], indent=4, ensure_ascii=False)
        pieces.append(Piece(_ROLE_TOKENS[role], special=True))
        pieces.append(Piece(f"{message.get('metadata') or ''}\n", assistant=assistant))
        pieces.append(Piece(content, assistant=assistant))
    if generation:
        pieces.append(Piece(_ROLE_TOKENS["assistant"], special=True))
    return pieces


def _with_tools(messages: Messages, tools: Tools) -> list[Message]:
    """The conversation with the tools in its system message, which is added if missing."""
    if messages and messages[0]["role"] == "system":
        return [{**messages[0], "tools": tools}, *messages[1:]]
    return [{"role": "system", "content": _ANNOUNCEMENT, "tools": tools}, *messages]
