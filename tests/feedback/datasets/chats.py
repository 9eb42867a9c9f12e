"""Conversations to build datasets from."""

from __future__ import annotations

from tests.domain.test_derivation import DOWN, UP, Chat

__all__ = ["DOWN", "UP", "Chat", "judged"]


def judged(id_: str, question: str, good: str = "", bad: str = "") -> Chat:
    """A question with a liked and a disliked reply."""
    chat = Chat(id_)
    asked = chat.question(question)
    chat.rate(chat.reply(good or f"good of {id_}", asked), UP)
    chat.rate(chat.reply(bad or f"bad of {id_}", asked), DOWN)
    return chat
