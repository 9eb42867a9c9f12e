"""A file's messages → :class:`~app.chat.transfer.reading.tree.Node`, whatever its program calls their fields."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

from app.chat.transfer.reading.content import ASSISTANT, SYSTEM, TOOL, USER, author_of, content_of, roles_of
from app.chat.transfer.reading.judgements import Rating
from app.chat.transfer.reading.programs.open_webui_rating import annotation
from app.chat.transfer.reading.programs.parley import own_rating
from app.chat.transfer.reading.reasoning import reasoning_of, separated
from app.chat.transfer.reading.report import Changed, LeftOut
from app.chat.transfer.reading.tree import Found, Node
from app.chat.transfer.reading.values import date_of, model_of, parley_model_of
from app.domain.messages import MessageState, Role
from app.domain.reasoning import Said

_IDS = ("id", "messageId", "message_id", "uuid")
_PARENTS = ("parent_id", "parentId", "parentMessageId", "parent_message_uuid", "parent")
_CHILDREN = ("childrenIds", "children", "replies")
LINKS = frozenset((*_IDS, *_PARENTS, *_CHILDREN))  # what connects messages
_NOBODY = re.compile(r"0{8}-0{4}-[04]0{3}-[08]0{3}-0{12}")  # the parent of the first message in LibreChat and Claude
_AUTHORS = USER | ASSISTANT | SYSTEM | TOOL
_TEXTS = ("content", "value", "text", "parts", "mes", "message", "body", "data")
_ROLES = ("role", "from", "sender", "author", "speaker", "isCreatedByUser", "is_user", "isUser")

_NO_MESSAGE = (
    *("mapping", "messages", "chat_messages", "chat", "conversations", "instruction", "completion", "question"),
    *("chosen", "rejected", "user_input", "states", "conversation_a", "snapshot"),
)


def is_message(item: object) -> bool:
    """Whether a record is a message rather than a conversation or a row."""
    if not isinstance(item, Mapping) or is_conversation(item):
        return False
    named = any(key in item for key in _ROLES) or (str(item.get("type")) in _AUTHORS)
    return named and (any(key in item for key in _TEXTS) or author_of(item) in _AUTHORS)


def is_conversation(item: object) -> bool:
    """Whether a record is a conversation or a row, by a field that no message has."""
    return isinstance(item, Mapping) and any(key in item for key in _NO_MESSAGE)


def nested(items: Iterable[object]) -> Iterator[object]:
    """`items` and the answers inside them, each with the id of the one that it is inside of."""
    numbers = count()
    waiting: list[tuple[object, str | None]] = [(item, None) for item in items]
    waiting.reverse()
    while waiting:
        item, parent_id = waiting.pop()
        if not isinstance(item, Mapping):
            yield item
            continue
        key = next((k for k in _CHILDREN if _has_objects(item.get(k))), None)
        if key is None and parent_id is None:
            yield item
            continue
        given = _first_text(item, _IDS) or f"nested-{next(numbers)}"
        yield {**item, "id": given, **({"parent_id": parent_id} if parent_id is not None else {})}
        waiting.extend((below, given) for below in reversed(item[key] if key else []))


def _has_objects(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(one, Mapping) for one in value)


def nodes_of(items: Iterable[tuple[object, object]], *, own: bool = False) -> Found:
    """The messages of a list or tree: (key, record). Where none names a parent, each answers the one before it.

    `own`: they are Parley's, with states and ratings.
    """
    records = list(items)
    objects = [item for _, item in records if isinstance(item, Mapping)]
    is_tree = own or any(_parent_keys(item) for item in objects)
    roles = roles_of({author_of(item) for item in objects})
    parents = _from_children(records) if is_tree else {}
    found = Found([])
    nodes, changed = found.nodes, found.changed
    for key, item in records:
        before = nodes[-1].id if nodes else None
        if not isinstance(item, Mapping):
            nodes.append(Node(str(key), parents.get(str(key), before), left_out=LeftOut.NOT_A_MESSAGE))
            continue
        given = _first_text(item, _IDS) if is_tree else ""
        given = given or str(key)
        parent_id = _parent(item, parents.get(given)) if is_tree else before
        if item.get("structural"):  # the start of ChatGPT's tree: nothing that could be left out
            nodes.append(Node(given, parent_id, Role.SYSTEM))
            continue
        nodes.append(_node(item, given, parent_id, roles[author_of(item)], changed, own=own))
    return found


def nodes_of_pairs(pairs: Iterable[object]) -> Found:
    """The messages of a list of questions and answers."""
    texts: list[object] = []
    for pair in pairs:
        texts += pair[:2] if isinstance(pair, list) and len(pair) >= 2 else [None, None]
    authors = ("user", "assistant")
    return nodes_of((n, {"role": authors[n % 2], "content": text}) for n, text in enumerate(texts))


def _node(
    item: Mapping[str, Any],
    given: str,
    parent_id: str | None,
    role: Role | LeftOut,
    changed: Counter[Changed],
    *,
    own: bool,
) -> Node:
    content = content_of(item)
    problem = role if isinstance(role, LeftOut) else content.problem
    state = _state(item) if own else MessageState.COMPLETE
    if _is_hidden(item):
        problem = None if role is Role.SYSTEM and not content.text.strip() else LeftOut.HIDDEN
    elif problem is LeftOut.NO_TEXT and (role is Role.SYSTEM or (own and isinstance(item.get("content"), str))):
        problem = None  # an empty system message says nothing; our own replies may have failed before their first word
    elif item.get("recipient") not in (None, "", "all") and role is Role.ASSISTANT:
        problem = LeftOut.TOOL  # ChatGPT: written to a tool
    if problem is None and role is not Role.SYSTEM:
        changed.update(content.besides)
    is_reply = role is Role.ASSISTANT
    said = separated(content.text, reasoning_of(item, content.reasoning)) if is_reply else Said(content.text, "")
    return Node(
        given,
        parent_id,
        role if isinstance(role, Role) else Role.USER,
        said.text,
        problem,
        state,
        _ratings(item, own=own) if is_reply else (),
        date_of(item),
        parley_model_of(item) if own else model_of({**item, "model": item.get("model") or _slug(item)}),
        said.reasoning,
        _first_text(item, ("corrects_id",)) or None if own else None,
    )


def _ratings(item: Mapping[str, Any], *, own: bool) -> tuple[Rating, ...]:
    given = own_rating(item.get("rating")) if own else annotation(item.get("annotation"))
    return (given,) if given else ()


def _is_hidden(item: Mapping[str, Any]) -> bool:
    metadata, content = item.get("metadata"), item.get("content")
    hidden = isinstance(metadata, Mapping) and metadata.get("is_visually_hidden_from_conversation") is True
    return hidden or (isinstance(content, Mapping) and content.get("content_type") == "user_editable_context")


def _slug(item: Mapping[str, Any]) -> object:
    metadata = item.get("metadata")
    return metadata.get("model_slug") if isinstance(metadata, Mapping) else None


def _state(item: Mapping[str, Any]) -> MessageState:
    try:
        state = MessageState(str(item.get("state")))
    except ValueError:
        return MessageState.COMPLETE
    return MessageState.INTERRUPTED if state is MessageState.PENDING else state


def _from_children(records: Iterable[tuple[object, object]]) -> dict[str, str]:
    """The parent of each message that another one names as its child."""
    found: dict[str, str] = {}
    for key, item in records:
        if not isinstance(item, Mapping):
            continue
        given = _first_text(item, _IDS) or str(key)
        for children in (item.get(name) for name in _CHILDREN):
            for child in children if isinstance(children, list) else ():
                if isinstance(child, str):
                    found.setdefault(child, given)
    return found


def _parent_keys(item: Mapping[str, Any]) -> list[str]:
    return [key for key in _PARENTS if key in item and (item[key] is None or isinstance(item[key], str | int))]


def _parent(item: Mapping[str, Any], otherwise: str | None) -> str | None:
    """The parent that a message names; else that which names it as a child."""
    named = _first_text(item, _PARENTS)
    return otherwise if not named or _NOBODY.fullmatch(named) else named


def _first_text(item: Mapping[str, Any], keys: Iterable[str]) -> str:
    given = (item.get(key) for key in keys)
    return next((str(x) for x in given if isinstance(x, str | int) and not isinstance(x, bool) and str(x)), "")
