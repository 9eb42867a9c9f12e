"""The conversations of a file, by the program that wrote it.

Parley                         {format: "parley.conversation", version, conversation, messages, rankings}
OpenAI, LLaMA-Factory …        {messages: [{role, content}]}, also as a bare list
ShareGPT, BELLE                {conversations: [{from, value}]}
Open WebUI                     [{chat: {history: {messages: {ID: {parentId, role, content}}, currentId}}}]
ChatGPT (conversations.json)   [{mapping: {ID: {message: {author, content: {parts}}, parent}}, current_node}]
Claude (conversations.json)    [{name, chat_messages: [{sender, text, content, parent_message_uuid}]}]
LibreChat                      {conversationId, messages: [{messageId, parentMessageId, isCreatedByUser, text}]}

What has judgements, and rows of training data, are read in modules of their own: those in `_READERS`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import IO, Any

from app.chat.transfer.reading.about import about, title_of
from app.chat.transfer.reading.datasets import marked
from app.chat.transfer.reading.messages import is_conversation, is_message, nested, nodes_of, nodes_of_pairs
from app.chat.transfer.reading.programs import (
    arena,
    argilla,
    judged_rows,
    open_assistant,
    open_webui_feedback,
    parley,
    plain_rows,
)
from app.chat.transfer.reading.records import Record, Unread, records
from app.chat.transfer.reading.report import Skipped
from app.chat.transfer.reading.tree import About, Found, ReadConversation, conversation

MAX_CONVERSATIONS = 2_000_000
MAX_SKIPPED = 10_000  # records that are no chats, after which no more are read
_MAX_DEPTH = 3  # of lists of chats within lists
_MESSAGES = ("messages", "conversations", "conversation", "chat_messages", "messagesTree", "contents", "turns")
_MORE_MESSAGES = ("dialogue", "dialog", "chat", "history", "chunks", "items", "data")
_CHATS = ("conversations", "chats", "data", "items", "results", "rows", "records", "threads", "sessions")
_READERS: tuple[Callable[[Mapping[str, Any]], Found | Skipped | None], ...] = (
    open_webui_feedback.read,
    open_assistant.read,
    arena.read,
    argilla.read,
    judged_rows.read,
    plain_rows.read,
)


def read(file: IO[bytes], max_bytes: int) -> Iterator[ReadConversation | Unread]:
    """The conversations of `file`, and what can't be read. Raises :class:`~app.errors.InvalidImport`."""
    taken = skipped = 0
    for one in marked(_read(file, max_bytes)):
        if isinstance(one, ReadConversation) and taken == MAX_CONVERSATIONS:
            one = Unread(Skipped.TOO_MANY, title=one.title)
        taken += isinstance(one, ReadConversation)
        skipped += isinstance(one, Unread) and one.reason is not Skipped.NO_VOTE
        yield one
        if skipped == MAX_SKIPPED:
            return


def _read(file: IO[bytes], max_bytes: int) -> Iterator[ReadConversation | Unread]:
    for found in _grouped(records(file, max_bytes)):
        yield from [found] if isinstance(found, Unread) else _of_record(found.value, found, 0)


def _grouped(found: Iterable[Record | Unread]) -> Iterator[Record | Unread]:
    """The records; those of a list of messages together, as one."""
    messages: list[object] = []
    first: Record | None = None
    for one in found:
        if first is not None and not _continues(first, one):
            yield replace(first, value=messages)
            messages, first = [], None
        if isinstance(one, Record) and (messages or is_message(one.value) or _is_pair(one.value)):
            first = first or one
            messages.append(one.value)
        else:
            yield one
    if first is not None:
        yield replace(first, value=messages)


def _continues(first: Record, one: Record | Unread) -> bool:
    return isinstance(one, Record) and _group(one) == _group(first) and not is_conversation(one.value)


def _group(record: Record) -> object:
    """Equal for the messages of one conversation: of a file, of an array in it, or of one of Open-Assistant's trees."""
    tree_id = record.value.get("message_tree_id") if isinstance(record.value, Mapping) else None
    return record.name, record.array, tree_id if isinstance(tree_id, str) else None


def _of_record(value: object, record: Record, depth: int) -> Iterator[ReadConversation | Unread]:
    """The conversations of one record."""
    if isinstance(value, list) and value and not _are_messages(value) and depth < _MAX_DEPTH:
        for one in value:
            yield from _of_record(one, record, depth + 1)
        return
    chats = _chats(value) if isinstance(value, Mapping) and depth < _MAX_DEPTH else None
    if chats is not None:
        yield from _of_record(chats, record, depth + 1)
        return
    place = title_of(value) or record.place
    if isinstance(value, Mapping) and value.get("format") == parley.FORMAT and value.get("version") != parley.VERSION:
        yield Unread(Skipped.NEWER_VERSION, record.name, place)
        return
    made = _conversation(value)
    if isinstance(made, Skipped) or not made.messages:
        yield Unread(made if isinstance(made, Skipped) else Skipped.NO_MESSAGES, record.name, place)
        return
    try:
        yield replace(made, digest=_digest(value), file=record.name)
    except RecursionError:
        yield Unread(Skipped.BROKEN, record.name, place)


def _digest(value: object) -> str:
    """The same for the same record in any file, whatever the order of its fields; 32 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _conversation(value: object) -> ReadConversation | Skipped:
    if isinstance(value, list) and value:
        found = open_assistant.read(value)
        if found is None:
            found = nodes_of_pairs(value) if _is_pair(value[0]) else nodes_of(enumerate(value))
        return found if isinstance(found, Skipped) else conversation(found, About())
    if not isinstance(value, Mapping):
        return Skipped.NO_MESSAGES
    chat = value.get("chat")
    around: Mapping[str, Any] = value
    if isinstance(chat, Mapping):  # Open WebUI: the record around it has the dates
        around = {**value, **{name: given for name, given in chat.items() if given not in (None, "")}}
    if value.get("format") == parley.FORMAT:
        around = {**(head if isinstance(head := value.get("conversation"), Mapping) else {})}
    found = _found(value, around if isinstance(chat, Mapping) else value)
    if found is None or isinstance(found, Skipped):
        return found or Skipped.NO_MESSAGES
    return conversation(found, about(around))


def _found(value: Mapping[str, Any], around: Mapping[str, Any]) -> Found | Skipped | None:
    """The messages of a record, wherever its program puts them."""
    if value.get("format") == parley.FORMAT:
        messages = value.get("messages")
        if not isinstance(messages, list):
            return None
        own = nodes_of(enumerate(messages), own=True)
        own.rankings.extend(parley.own_rankings(value.get("rankings")))
        return own
    for reader in () if isinstance(value.get("mapping"), Mapping) else _READERS:
        if (found := reader(around)) is not None:
            break
    else:
        found = _nodes(around)
    return parley.demonstrated(found, around) if isinstance(found, Found) else found


def _nodes(value: Mapping[str, Any]) -> Found | None:
    mapping, history = value.get("mapping"), value.get("history")
    if isinstance(mapping, Mapping):
        return nodes_of((key, _chatgpt(key, node)) for key, node in mapping.items())
    if isinstance(history, Mapping) and isinstance(history.get("messages"), Mapping):
        return nodes_of(history["messages"].items())
    if isinstance(value.get("chunkedPrompt"), Mapping):
        return _nodes(value["chunkedPrompt"])
    for key in chain(_MESSAGES, _MORE_MESSAGES):
        items = value.get(key)
        if isinstance(items, Mapping) and items and all(isinstance(item, Mapping) for item in items.values()):
            return nodes_of(items.items())
        if isinstance(items, list) and items and _is_pair(items[0]):
            return nodes_of_pairs(items)
        if isinstance(items, list) and _are_messages(items):
            return nodes_of(enumerate(nested(items)))
    return None


def _chatgpt(key: str, node: object) -> object:
    """A node of ChatGPT's tree as a message; hidden and empty ones too, since others answer them."""
    if not isinstance(node, Mapping):
        return node
    message = node.get("message") if isinstance(node.get("message"), Mapping) else {}
    links = {"id": key, "parent_id": node.get("parent"), "children": node.get("children")}
    return {**message, **links} if message else {**links, "structural": True}


def _chats(value: Mapping[str, Any]) -> list[Any] | None:
    """The list of chats in an object that is none itself."""
    if value.get("format") == parley.FORMAT or any(isinstance(value.get(key), Mapping) for key in ("mapping", "chat")):
        return None
    for key in _CHATS:
        items = value.get(key)
        if isinstance(items, list) and any(isinstance(one, Mapping) for one in items) and not _are_messages(items):
            return items if any(_looks_like_a_chat(one) for one in items) else None
    if len(value) > 0 and all(_looks_like_a_chat(one) for one in value.values()):  # by their ids
        return list(value.values())
    return None


def _looks_like_a_chat(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    return any(key in value for key in (*_MESSAGES, "mapping", "chat", "prompt", "instruction", "question", "chosen"))


def _are_messages(items: list[Any]) -> bool:
    return any(is_message(item) for item in items) or bool(items and _is_pair(items[0]))


def _is_pair(value: object) -> bool:
    """Question and answer, as in ChatGLM's histories."""
    if not isinstance(value, list) or len(value) != 2:
        return False
    return any(isinstance(x, str) for x in value) and all(x is None or isinstance(x, str) for x in value)
