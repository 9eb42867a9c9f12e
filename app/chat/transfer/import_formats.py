"""Reads a conversation from JSON: Parley's own, OpenAI message lists, ShareGPT, Open WebUI's chat export.

The limits are those of the API: a file can't set what a request couldn't.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from app.chat.transfer.file_values import date_of, model_of, parley_model_of
from app.chat.transfer.imported_reasoning import reasoning_of
from app.chat.transfer.parley_json import FORMAT, VERSION
from app.domain.limits import MAX_MESSAGE_CHARS, MAX_SYSTEM_PROMPT_CHARS, MAX_TITLE_CHARS
from app.domain.messages import MessageState, Role, title_from
from app.domain.sampling import check_overrides
from app.errors import InvalidImport, InvalidSampling

MAX_MESSAGES = 10_000
_ROLES = {
    "user": Role.USER,
    "human": Role.USER,
    "prompter": Role.USER,
    "assistant": Role.ASSISTANT,
    "gpt": Role.ASSISTANT,
    "bot": Role.ASSISTANT,
    "model": Role.ASSISTANT,
}


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """A message of the file, with the file's own ids."""

    id: str
    parent_id: str | None
    role: Role
    content: str
    state: MessageState = MessageState.COMPLETE
    rating: Mapping[str, Any] | None = None
    created_at: datetime | None = None
    model: str = ""  # as the file names it
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class ReadConversation:
    """A conversation of the file; parents come before children."""

    title: str
    messages: tuple[ReadMessage, ...]
    system_prompt: str = ""
    sampling: Mapping[str, object] = field(default_factory=dict)
    leaf_id: str | None = None
    created_at: datetime | None = None
    model: str = ""  # of the replies that name none


def read(data: object) -> ReadConversation:
    """Detect the format and read the conversation. Raises :class:`InvalidImport`."""
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if not isinstance(data, dict):
        raise InvalidImport(
            "This file isn't a single conversation. Parley reads its own JSON, {messages: [{role, content}]}, "
            "ShareGPT's {conversations: [{from, value}]} and Open WebUI's export of one chat."
        )
    if data.get("format") == FORMAT:
        return _parley(data)
    if isinstance(data.get("chat"), dict):
        return _open_webui(data["chat"], data)
    for key, role, text in (("messages", "role", "content"), ("conversations", "from", "value")):
        if isinstance(data.get(key), list):
            return _linear(data[key], role, text, data)
    raise InvalidImport("This file has no messages: `messages`, `conversations` and `chat` are all missing.")


def _parley(data: Mapping[str, Any]) -> ReadConversation:
    if data.get("version") != VERSION:
        raise InvalidImport(
            f"This file has version {_shown(data.get('version'))}; this version of Parley reads {VERSION}."
        )
    head = _object(data.get("conversation"), "conversation")
    rows = [
        ReadMessage(
            _text(m.get("id"), "id"),
            _reference(m.get("parent_id"), "parent_id"),
            _role(m.get("role")),
            _text(m.get("content"), "content"),
            _state(m.get("state")),
            m.get("rating") if isinstance(m.get("rating"), dict) else None,
            date_of(m),
            parley_model_of(m),
            reasoning_of(m),
        )
        for m in _objects(data.get("messages"))
    ]
    sampling = _object(head.get("sampling"), "sampling")
    try:
        check_overrides(sampling)
    except InvalidSampling as err:
        raise InvalidImport(f"The sampling parameters in this file are invalid: {err}") from err
    return ReadConversation(
        _title(head.get("title"), rows),
        _ordered(rows),
        system_prompt=_system_prompt(head.get("system_prompt") or ""),
        sampling=sampling,
        leaf_id=_reference(head.get("leaf_id"), "leaf_id"),
        created_at=date_of(head),
    )


def _open_webui(chat: Mapping[str, Any], around: Mapping[str, Any]) -> ReadConversation:
    """`chat`, and the record `around` it, which has the dates of the conversation."""
    about = {**around, **chat, "title": chat.get("title") or around.get("title")}
    history = chat.get("history")
    if not isinstance(history, dict) or not isinstance(history.get("messages"), dict):
        return _linear(chat.get("messages"), "role", "content", about)
    rows = [
        ReadMessage(
            _text(m.get("id"), "id"),
            _reference(m.get("parentId"), "parentId"),
            _role(m.get("role")),
            _text(m.get("content"), "content"),
            created_at=date_of(m),
            model=model_of(m),
            reasoning=reasoning_of(m),
        )
        for m in _objects(history["messages"].values())
    ]
    return ReadConversation(
        _title(about.get("title"), rows),
        _ordered(rows),
        system_prompt=_system_prompt(_system_of(about)),
        leaf_id=_reference(history.get("currentId"), "currentId"),
        created_at=date_of(about),
        model=model_of(about),
    )


def _linear(items: object, role_key: str, text_key: str, about: Mapping[str, Any]) -> ReadConversation:
    """A list of messages; `about` is the record that has it."""
    rows: list[ReadMessage] = []
    system = [text] if (text := _system_of(about)) else []
    for n, item in enumerate(_objects(items)):
        text = _text(item.get(text_key), text_key)
        if item.get(role_key) == Role.SYSTEM:
            system.append(text)
            continue
        parent_id = rows[-1].id if rows else None
        role = _role(item.get(role_key))
        found = ReadMessage(str(n), parent_id, role, text, created_at=date_of(item), model=model_of(item))
        rows.append(replace(found, reasoning=reasoning_of(item)))
    return ReadConversation(
        _title(about.get("title"), rows),
        _ordered(rows),
        system_prompt=_system_prompt("\n".join(system)),
        leaf_id=rows[-1].id if rows else None,
        created_at=date_of(about),
        model=model_of(about),
    )


def _system_of(about: Mapping[str, Any]) -> str:
    """The system prompt beside the messages, where LLaMA-Factory and Open WebUI have it."""
    params = about.get("params")
    inside = params.get("system") if isinstance(params, dict) else None
    found = next((x for x in (inside, about.get("system"), about.get("system_prompt")) if x), "")
    return found if isinstance(found, str) else ""


def _ordered(rows: list[ReadMessage]) -> tuple[ReadMessage, ...]:
    """Rows with parents before children. Raises for no rows, duplicate ids, unknown parents and cycles."""
    if not rows:
        raise InvalidImport("There are no messages in this file.")
    known = {m.id for m in rows}
    if len(known) != len(rows):
        raise InvalidImport("Two messages in this file have the same id.")
    below: dict[str | None, list[ReadMessage]] = {}
    for m in rows:
        if m.parent_id is not None and m.parent_id not in known:
            raise InvalidImport(f"Message {_shown(m.id)} replies to {_shown(m.parent_id)}, which is not in the file.")
        below.setdefault(m.parent_id, []).append(m)
    ordered = list(below.get(None, []))
    for m in ordered:  # grows while it is walked
        ordered.extend(below.get(m.id, []))
    if len(ordered) != len(rows):
        raise InvalidImport("Messages in this file reply to each other in a circle.")
    return tuple(ordered)


def _objects(items: object) -> list[dict[str, Any]]:
    found = list(items) if isinstance(items, Iterable) and not isinstance(items, str | bytes | dict) else None
    if found is None or not all(isinstance(m, dict) for m in found):
        raise InvalidImport("The messages in this file are not a list of objects.")
    if len(found) > MAX_MESSAGES:
        raise InvalidImport(f"This conversation has {len(found)} messages; at most {MAX_MESSAGES} can be imported.")
    return found


def _role(value: object) -> Role:
    role = _ROLES.get(str(value).lower())
    if role is None:
        raise InvalidImport(f"A message has the role {_shown(value)}; allowed are {', '.join(sorted(_ROLES))}.")
    return role


def _state(value: object) -> MessageState:
    try:
        state = MessageState(str(value))
    except ValueError:
        state = MessageState.COMPLETE
    return MessageState.INTERRUPTED if state is MessageState.PENDING else state


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_MESSAGE_CHARS:
        raise InvalidImport(f"A message's {name} is not a text of at most {MAX_MESSAGE_CHARS:,} characters.")
    return value


def _system_prompt(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_SYSTEM_PROMPT_CHARS:
        raise InvalidImport(
            f"This file's system prompt is not a text of at most {MAX_SYSTEM_PROMPT_CHARS:,} characters. Shorten it."
        )
    return value


def _reference(value: object, name: str) -> str | None:
    """Another message's id, or ``None``."""
    return None if value is None else _text(value, name)


def _object(value: object, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidImport(f"This file's {name} is not an object.")
    return value


def _shown(value: object) -> str:
    """A value of the file, shortened for an error message."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _title(value: object, rows: list[ReadMessage]) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()[:MAX_TITLE_CHARS]
    return title_from(rows[0].content) if rows else ""
