"""A message's author and text, in the shapes that programs give them.

Authors: a name under `role`, `from`, `sender` …, or a flag. Texts: a string, a list of parts as in OpenAI's API, an
object with `parts` as in ChatGPT's export.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.chat.transfer.reading.report import Changed, LeftOut
from app.domain.messages import Role

_ROLE_KEYS = ("role", "from", "sender", "author", "speaker", "type", "name")
_TEXT_KEYS = ("content", "value", "text", "parts", "mes", "message", "body", "data")
_REASONING_KEYS = ("think", "thinking", "thought", "thoughts", "reasoning", "summary")
_USER_FLAGS = ("isCreatedByUser", "is_user", "isUser")
_MAX_DEPTH = 8  # of parts within parts

USER = frozenset({"user", "human", "prompter", "you", "me", "person", "customer", "question"})
ASSISTANT = frozenset(
    {"assistant", "gpt", "chatgpt", "bard", "bing", "bot", "chatbot", "model", "ai", "claude", "gemini", "copilot"}
    | {"llm", "answer", "response", "deepseek", "qwen", "chatglm", "belle", "llama", "aimessage"}
)
SYSTEM = frozenset({"system", "developer", "instructions", "systemmessage"})
TOOL = frozenset(
    {"tool", "function", "observation", "ipython", "environment", "plugin", "browser", "python", "tool_result"}
    | {"function_call", "tool_call", "tool_calls", "function_response", "tool_response"}
)
_IS_ASSISTANT = re.compile(r"gpt|claude|gemini|llama|assistant|model|bot\b|qwen|mistral|deepseek|\bai\b", re.IGNORECASE)

_TOOL_PARTS = re.compile(r"tool|function|execution|tether|web_search|code_interpreter")
_REASONING_PARTS = re.compile(r"think|thought|reasoning")
_TEXT_PARTS = frozenset({"audio_transcription", "input_text", "output_text", "text", "multimodal_text"})
_ATTACHMENTS = re.compile(r"image|file|audio|video|document|asset|inline_data|media")


@dataclass(slots=True)
class Content:
    """A message's text, and what it held besides."""

    text: str = ""
    reasoning: list[str] = field(default_factory=list)  # of a reply, piece by piece
    besides: Counter[Changed] = field(default_factory=Counter)
    tools: int = 0

    @property
    def problem(self) -> LeftOut | None:
        """Why it can't be a message, if it has no text."""
        if self.text.strip():
            return None
        if self.tools:
            return LeftOut.TOOL
        return LeftOut.REASONING if self.reasoning else LeftOut.NO_TEXT


def author_of(item: Mapping[str, Any]) -> str:
    """The name of a message's author in lower case; "" if it names none."""
    for flag in _USER_FLAGS:
        if isinstance(item.get(flag), bool):
            return "user" if item[flag] else "assistant"
    names = [name for key in _ROLE_KEYS if (name := _author(item.get(key)))]
    known = USER | ASSISTANT | SYSTEM | TOOL
    return next((name for name in names if name in known), names[0] if names else "")


def _author(value: object) -> str:
    if isinstance(value, Mapping):
        value = value.get("role") or value.get("name")
    return value.strip().lower()[:80] if isinstance(value, str) else ""


def roles_of(authors: set[str]) -> dict[str, Role | LeftOut]:
    """The role of each author of a conversation.

    A name that is no role is a model's if it sounds like one, or if it is the only other author beside a person.
    """
    roles: dict[str, Role | LeftOut] = {author: _role(author) for author in authors}
    people = [author for author, role in roles.items() if role is Role.USER]
    models = [author for author, role in roles.items() if role is Role.ASSISTANT]
    unknown = [author for author, role in roles.items() if role is LeftOut.UNKNOWN_ROLE and author]
    if len(unknown) == 1 and bool(people) != bool(models):
        roles[unknown[0]] = Role.ASSISTANT if people else Role.USER
    return roles


def _role(author: str) -> Role | LeftOut:
    for names, role in ((USER, Role.USER), (ASSISTANT, Role.ASSISTANT), (SYSTEM, Role.SYSTEM), (TOOL, LeftOut.TOOL)):
        if author in names:
            return role
    return Role.ASSISTANT if _IS_ASSISTANT.search(author) else LeftOut.UNKNOWN_ROLE


def content_of(item: Mapping[str, Any]) -> Content:
    """A message's text: the first of the known fields that has some."""
    found = Content()
    for key in _TEXT_KEYS:
        one = Content()
        one.text = _flat(item.get(key), one, 0)
        found.besides.update(one.besides)
        found.reasoning += one.reasoning
        found.tools += one.tools
        if one.text.strip():
            found.text = one.text
            break
    for key in ("attachments", "files", "images"):
        if isinstance(item.get(key), list):
            found.besides[Changed.ATTACHMENTS] += len(item[key])
    if item.get("isThought") is True or item.get("thought") is True:
        found.text, found.reasoning = "", [found.text]
    if any(item.get(key) for key in ("tool_calls", "function_call")):
        found.tools += 1
    return found


def _flat(value: object, found: Content, depth: int) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if depth < _MAX_DEPTH and isinstance(value, list):
        return "\n".join(text for part in value if (text := _flat(part, found, depth + 1)))
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        return _part(value, found, depth + 1)
    return ""


def _part(part: Mapping[str, Any], found: Content, depth: int) -> str:
    """The text of one part, or "" for one that is counted in `found`."""
    kind = str(part.get("type") or part.get("content_type") or "").lower()
    if kind not in _TEXT_PARTS:
        if _TOOL_PARTS.search(kind) or "functionCall" in part or "functionResponse" in part:
            found.tools += 1
            return ""
        if _REASONING_PARTS.search(kind) or part.get("thought") is True:
            found.reasoning.append(_text_in(part, found, depth, (*_TEXT_KEYS, *_REASONING_KEYS)))
            return ""
        if _ATTACHMENTS.search(kind) or any(key in part for key in ("image_url", "inlineData", "inline_data")):
            found.besides[Changed.ATTACHMENTS] += 1
            return ""
    return _text_in(part, found, depth, _TEXT_KEYS)


def _text_in(part: Mapping[str, Any], found: Content, depth: int, keys: Iterable[str]) -> str:
    return next((text for key in keys if (text := _flat(part.get(key), found, depth))), "")
