"""The conversations of a file, by the program that wrote it.

Parley                         {format: "parley.conversation", version, conversation, messages}
OpenAI, LLaMA-Factory …        {messages: [{role, content}]}, also as a bare list
ShareGPT, BELLE                {conversations: [{from, value}]}
Open WebUI                     [{chat: {history: {messages: {ID: {parentId, role, content}}, currentId}}}]
ChatGPT (conversations.json)   [{mapping: {ID: {message: {author, content: {parts}}, parent}}, current_node}]
Claude (conversations.json)    [{name, chat_messages: [{sender, text, content, parent_message_uuid}]}]
LibreChat                      {conversationId, messages: [{messageId, parentMessageId, isCreatedByUser, text}]}
Open-Assistant                 {message_tree_id, prompt: {role, text, replies: […]}}
ChatGLM                        {prompt, response, history: [[question, answer]]}
Alpaca and other rows          {instruction, input, output}, {prompt, completion}, {question, answer}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import IO, Any

from app.chat.transfer.reading.messages import is_message, nested, nodes_of, nodes_of_pairs
from app.chat.transfer.reading.records import Record, Unread, records
from app.chat.transfer.reading.report import Changed, Skipped
from app.chat.transfer.reading.tree import About, ReadConversation, conversation
from app.chat.transfer.reading.values import date_of, model_of

FORMAT = "parley.conversation"  # our own, written by :mod:`app.chat.transfer.parley_json`
VERSION = 1
MAX_CONVERSATIONS = 50_000
MAX_SKIPPED = 10_000  # records that are no chats, after which no more are read
_MAX_DEPTH = 3  # of lists of chats within lists
_MESSAGES = ("messages", "conversations", "conversation", "chat_messages", "messagesTree", "contents", "turns")
_MORE_MESSAGES = ("dialogue", "dialog", "chat", "history", "chunks", "items", "data")
_CHATS = ("conversations", "chats", "data", "items", "results", "rows", "records", "threads", "sessions")
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


def read(file: IO[bytes], max_bytes: int) -> Iterator[ReadConversation | Unread]:
    """The conversations of `file`, and what can't be read. Raises :class:`~app.errors.InvalidImport`."""
    taken = skipped = 0
    for found in _grouped(records(file, max_bytes)):
        for one in [found] if isinstance(found, Unread) else _of_record(found.value, found.name, 0):
            if isinstance(one, ReadConversation) and taken == MAX_CONVERSATIONS:
                one = Unread(Skipped.TOO_MANY, title=one.title)
            taken += isinstance(one, ReadConversation)
            skipped += isinstance(one, Unread)
            yield one
            if skipped == MAX_SKIPPED:
                return


def _grouped(found: Iterable[Record | Unread]) -> Iterator[Record | Unread]:
    """The records; those of a file that is a list of messages together, as one."""
    messages: list[object] = []
    name: str | None = None
    for one in found:
        if messages and (isinstance(one, Unread) or one.name != name):
            yield Record(messages, name or "")
            messages = []
        if isinstance(one, Record) and (messages or is_message(one.value) or _is_pair(one.value)):
            messages.append(one.value)
            name = one.name
        else:
            yield one
    if messages:
        yield Record(messages, name or "")


def _of_record(value: object, name: str, depth: int) -> Iterator[ReadConversation | Unread]:
    """The conversations of one record."""
    if isinstance(value, list) and value and not _are_messages(value) and depth < _MAX_DEPTH:
        for one in value:
            yield from _of_record(one, name, depth + 1)
        return
    chats = _chats(value) if isinstance(value, Mapping) and depth < _MAX_DEPTH else None
    if chats is not None:
        yield from _of_record(chats, name, depth + 1)
        return
    title = _title(value)
    if isinstance(value, Mapping) and value.get("format") == FORMAT and value.get("version") != VERSION:
        yield Unread(Skipped.NEWER_VERSION, name, title)
        return
    made = _conversation(value)
    yield made if made is not None and made.messages else Unread(Skipped.NO_MESSAGES, name, title)


def _conversation(value: object) -> ReadConversation | None:
    if isinstance(value, list) and value:
        nodes, changed = nodes_of_pairs(value) if _is_pair(value[0]) else nodes_of(enumerate(value))
        return conversation(nodes, About(), changed)
    if not isinstance(value, Mapping):
        return None
    chat = value.get("chat")
    around: Mapping[str, Any] = value
    if isinstance(chat, Mapping):  # Open WebUI: the record around it has the dates
        around = {**value, **{name: given for name, given in chat.items() if given not in (None, "")}}
    if value.get("format") == FORMAT:
        around = {**(head if isinstance(head := value.get("conversation"), Mapping) else {})}
    found = _nodes(around if isinstance(chat, Mapping) else value)
    if found is None:
        return None
    nodes, changed = found
    return conversation(nodes, _about(around), changed)


def _nodes(value: Mapping[str, Any]) -> tuple[list[Any], Counter[Changed]] | None:
    """The messages of a record, wherever its program puts them."""
    if value.get("format") == FORMAT:
        messages = value.get("messages")
        return nodes_of(enumerate(messages), own=True) if isinstance(messages, list) else None
    mapping, history, prompt = value.get("mapping"), value.get("history"), value.get("prompt")
    if isinstance(mapping, Mapping):
        return nodes_of((key, _chatgpt(key, node)) for key, node in mapping.items())
    if isinstance(history, Mapping) and isinstance(history.get("messages"), Mapping):
        return nodes_of(history["messages"].items())
    if isinstance(prompt, Mapping) and isinstance(prompt.get("replies"), list):
        return nodes_of(enumerate(nested([prompt])))
    if isinstance(value.get("chunkedPrompt"), Mapping):
        return _nodes(value["chunkedPrompt"])
    if (row := _row(value)) is not None:
        return nodes_of_pairs([*(history if isinstance(history, list) else []), row])
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


def _about(value: Mapping[str, Any]) -> About:
    options = value.get("options")
    inner = options if isinstance(options, Mapping) else {}
    history = value.get("history")
    leaf = value.get("leaf_id") or value.get("current_node") or value.get("current_leaf_message_uuid")
    if isinstance(history, Mapping):
        leaf = history.get("currentId")
    return About(
        title=_title(value),
        system_prompt=_system_of({**inner, **value}),
        sampling=value.get("sampling"),
        leaf_id=leaf if isinstance(leaf, str) else None,
        created_at=date_of(value),
        model=model_of({"model": value.get("default_model_slug"), **inner, **value}),
    )


def _system_of(about: Mapping[str, Any]) -> str:
    """The system prompt beside the messages, where LLaMA-Factory, Open WebUI and LibreChat have it."""
    params = about.get("params")
    inside = params.get("system") if isinstance(params, Mapping) else None
    given = (inside, *(about.get(name) for name in ("system", "system_prompt", "promptPrefix")))
    return next((text for text in given if isinstance(text, str) and text.strip()), "")


def _title(value: object) -> str:
    if not isinstance(value, Mapping):
        return ""
    inner = [value.get(key) for key in ("conversation", "chat")]
    places = [value, *(one for one in inner if isinstance(one, Mapping))]
    given = (place.get(name) for place in places for name in ("title", "name"))
    return next((text.strip()[:200] for text in given if isinstance(text, str) and text.strip()), "")


def _row(value: Mapping[str, Any]) -> list[str] | None:
    """Question and answer of a row of training data."""
    for question, more, answer in _ROWS:
        texts = [value.get(question), value.get(more) or "", value.get(answer)]
        if all(isinstance(text, str) for text in texts) and str(texts[0]).strip() and str(texts[2]).strip():
            asked = "\n\n".join(str(text) for text in texts[:2] if str(text).strip())
            return [asked, str(texts[2])]
    return None


def _chats(value: Mapping[str, Any]) -> list[Any] | None:
    """The list of chats in an object that is none itself."""
    if value.get("format") == FORMAT or any(isinstance(value.get(key), Mapping) for key in ("mapping", "chat")):
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
    return any(key in value for key in (*_MESSAGES, "mapping", "chat", "prompt", "instruction", "question"))


def _are_messages(items: list[Any]) -> bool:
    return any(is_message(item) for item in items) or bool(items and _is_pair(items[0]))


def _is_pair(value: object) -> bool:
    """Question and answer, as in ChatGLM's histories."""
    if not isinstance(value, list) or len(value) != 2:
        return False
    return any(isinstance(x, str) for x in value) and all(x is None or isinstance(x, str) for x in value)
