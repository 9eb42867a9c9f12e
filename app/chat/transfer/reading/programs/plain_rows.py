"""Rows of training data that show a reply, or only a question.

Alpaca, BELLE                  {instruction, input, output}
ChatGLM, its P-tuning          {prompt, response, history: [[question, answer]]}, {content, summary}
ChatGLM-Tuning                 {context: "Instruction: …\\nInput: …\\nAnswer: ", target}
ChatLLaMA, Colossal-AI, TRL    {user_input, completion}, {instruction}, {prompt}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from app.chat.transfer.reading.dialogues import asked, tree, turn, turns_of
from app.chat.transfer.reading.messages import nodes_of_pairs
from app.chat.transfer.reading.tree import Found

_ROWS = (  # question, more of it, answer
    ("instruction", "input", "output"),
    ("instruction", "input", "response"),
    ("prompt", "", "response"),
    ("prompt", "", "completion"),
    ("prompt", "", "answer"),
    ("question", "", "answer"),
    ("query", "", "response"),
    ("user_input", "", "completion"),
    ("content", "", "summary"),
    ("context", "", "target"),
)
_QUESTIONS = (("instruction", "input"), ("prompt", "query"), ("prompt", ""), ("question", ""), ("user_input", ""))
_TUNING = re.compile(r"Instruction: (.*?)(?:\nInput: (.*))?\nAnswer: ?", re.S)
_ONLY_QUESTION = frozenset({"instruction", "input", "prompt", "user_input", "meta", "id", "system", "system_prompt"})


def read(row: Mapping[str, Any]) -> Found | None:
    """The conversation of a row. Rows with a history are chats, as ChatGLM's services return them."""
    history = row.get("history")
    if (pair := _pair(row)) is not None:
        if isinstance(history, list):
            return nodes_of_pairs([*history, pair])
        return _as_row(tree([*asked(pair[0]), turn("assistant", pair[1])], []))
    turns = turns_of(row.get("prompt"), "user")
    if turns and "completion" in row:
        return _as_row(tree([*turns, *(turns_of(row["completion"], "assistant") or [])], []))
    if row.keys() <= _ONLY_QUESTION:
        question = question_of(row)
        only = asked(question) if question is not None else turns
        return _as_row(tree(only, [])) if only else None
    return None


def question_of(row: Mapping[str, Any]) -> str | None:
    """The text that a row asks; ``None`` if it asks none, or in messages."""
    for question, more in _QUESTIONS:
        texts = [row.get(question), row.get(more) or ""]
        if all(isinstance(text, str) for text in texts) and str(texts[0]).strip():
            return _joined(*map(str, texts))
    return None


def _pair(row: Mapping[str, Any]) -> list[str] | None:
    """Question and answer."""
    for question, more, answer in _ROWS:
        texts = [row.get(question), row.get(more) or "", row.get(answer)]
        if all(isinstance(text, str) for text in texts) and str(texts[0]).strip() and str(texts[2]).strip():
            asked = _joined(str(texts[0]), str(texts[1]))
            tuning = _TUNING.fullmatch(asked) if question == "context" else None
            return [_joined(tuning[1], tuning[2] or "") if tuning else asked, str(texts[2])]
    return None


def _joined(question: str, more: str) -> str:
    return "\n\n".join(text for text in (question, more) if text.strip())


def _as_row(found: Found) -> Found:
    found.is_row = True
    return found
