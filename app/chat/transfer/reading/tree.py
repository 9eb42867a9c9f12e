"""Makes a tree that can be stored out of a file's messages: what can't be one is left out, and its answers reattached.

The limits are those of the API: a file can't set what a request couldn't.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from app.chat.transfer.reading.judgements import NodeRanking, Rating, ReadRanking, placed
from app.chat.transfer.reading.report import Changed, LeftOut
from app.chat.transfer.reading.values import storable
from app.domain.limits import MAX_MESSAGE_CHARS, MAX_SYSTEM_PROMPT_CHARS, MAX_TITLE_CHARS
from app.domain.messages import MessageState, Role
from app.domain.sampling import check_overrides
from app.domain.titles import title_from
from app.errors import InvalidSampling

MAX_MESSAGES = 100_000


@dataclass(frozen=True, slots=True)
class Node:
    """A record where a message is expected, with the file's own ids; `left_out` says why it is none."""

    id: str
    parent_id: str | None = None
    role: Role = Role.USER
    content: str = ""
    left_out: LeftOut | None = None
    state: MessageState = MessageState.COMPLETE
    ratings: Sequence[Rating] = ()
    created_at: datetime | None = None
    model: str = ""
    reasoning: str = ""
    corrects_id: str | None = None  # of the reply of which this is a person's corrected text


@dataclass(slots=True)
class Found:
    """What a record holds."""

    nodes: list[Node]
    changed: Counter[Changed] = field(default_factory=Counter)  # what the nodes were read without
    rankings: list[NodeRanking] = field(default_factory=list)
    is_row: bool = False  # of training data, rather than a chat


@dataclass(frozen=True, slots=True)
class About:
    """What a file says about a conversation."""

    title: object = None
    system_prompt: str = ""
    sampling: object = None
    leaf_id: str | None = None
    created_at: datetime | None = None
    model: str = ""  # of the replies that name none
    allow_training: bool = True


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """A message to store."""

    parent: int | None  # its position in the list
    role: Role
    content: str
    state: MessageState
    created_at: datetime
    model: str = ""  # as the file names it
    ratings: Sequence[Rating] = ()
    reasoning: str = ""
    corrects: int | None = None  # the position of the reply that this one corrects


@dataclass(frozen=True, slots=True)
class ReadConversation:
    """A conversation to store; parents come before children."""

    title: str
    messages: tuple[ReadMessage, ...]
    leaf: int  # position of the shown leaf
    system_prompt: str
    sampling: Mapping[str, object]
    created_at: datetime
    left_out: Counter[LeftOut] = field(default_factory=Counter)
    changed: Counter[Changed] = field(default_factory=Counter)
    rankings: tuple[ReadRanking, ...] = ()
    allow_training: bool = True
    is_row: bool = False  # of training data, rather than a chat
    is_named: bool = True  # it has a title or a date, as a person's chats have
    digest: str = ""  # of the record
    file: str = ""  # the name of its file inside an archive


def conversation(found: Found, about: About) -> ReadConversation:
    """The conversation of a record, perhaps without any message."""
    changed = found.changed
    unique = _unique(found.nodes)
    parents = _parents(unique, about, changed)
    system = [about.system_prompt, *(n.content for n in unique if n.role is Role.SYSTEM and n.left_out is None)]
    ordered = _ordered([n for n in unique if _is_message(n)], parents, changed)
    left_out = Counter(n.left_out for n in unique if n.left_out is not None)
    left_out[LeftOut.TOO_MANY] += max(0, len(ordered) - MAX_MESSAGES)
    ordered = ordered[:MAX_MESSAGES]
    messages, positions = _dated(ordered, parents, about)
    replies = {key: at for key, at in positions.items() if messages[at].role is Role.ASSISTANT}
    rankings, unranked = placed(found.rankings, replies, [m.parent for m in messages])
    changed[Changed.RANKINGS] += unranked
    title = about.title.strip() if isinstance(about.title, str) else ""
    first = min((m.created_at for m in messages), default=datetime.now(UTC))
    return ReadConversation(
        storable(title)[:MAX_TITLE_CHARS] or (title_from(messages[0].content[:1000]) if messages else ""),
        messages,
        _leaf(about.leaf_id, {n.id: n for n in unique}, parents, positions),
        _cut("\n".join(dict.fromkeys(text for text in system if text.strip())), MAX_SYSTEM_PROMPT_CHARS, changed),
        _sampling(about.sampling, changed),
        about.created_at or first,
        +left_out,
        +changed,
        rankings,
        about.allow_training,
        found.is_row,
        bool(title or about.created_at or any(n.created_at for n in ordered)),
    )


def _is_message(node: Node) -> bool:
    return node.left_out is None and node.role is not Role.SYSTEM


def _unique(nodes: Iterable[Node]) -> list[Node]:
    """`nodes`, the second of two with the same id under another one."""
    found: dict[str, Node] = {}
    for n, node in enumerate(nodes):
        key = node.id if node.id not in found else f"{node.id}\0{n}"
        found[key] = replace(node, id=key)
    return list(found.values())


def _parents(nodes: Sequence[Node], about: About, changed: Counter[Changed]) -> dict[str, str | None]:
    """The nearest ancestor of each message that is one; None for the first ones.

    A message whose parent is not in the file answers the one before it. Where messages answer each other in a circle,
    the first of them answers none.
    """
    known = {n.id: n for n in nodes}
    direct: dict[str, str | None] = {}
    lost: set[str] = set()
    for before, n in zip([None, *nodes], nodes, strict=False):
        direct[n.id] = n.parent_id
        if n.parent_id is not None and n.parent_id not in known:
            direct[n.id] = before.id if before else None
            if _is_message(n):
                lost.add(n.id)
    _open_circles(direct, lost)
    changed[Changed.REATTACHED] += len(lost)
    nearest: dict[str, str | None] = {}
    for given in direct:
        passed = []
        at = direct[given]
        while at is not None and at not in nearest and not _is_message(known[at]):
            passed.append(at)
            at = direct[at]
        if at is not None and not _is_message(known[at]):
            at = nearest[at]
        nearest.update(dict.fromkeys([given, *passed], at))
    return nearest


def _open_circles(direct: dict[str, str | None], lost: set[str]) -> None:
    """Make the first of the messages that answer each other in a circle answer none."""
    reaches_start: set[str] = set()
    for given in direct:
        path: dict[str, None] = {}
        at: str | None = given
        while at is not None and at not in reaches_start:
            if at in path:
                direct[at] = None
                lost.add(at)
                break
            path[at] = None
            at = direct[at]
        reaches_start.update(path)


def _ordered(nodes: Sequence[Node], parents: Mapping[str, str | None], changed: Counter[Changed]) -> list[Node]:
    """`nodes` with parents before children; texts that can be stored."""
    below: dict[str | None, list[Node]] = {}
    for n in nodes:
        text, thought = (_cut(said, MAX_MESSAGE_CHARS, changed) for said in (n.content, n.reasoning))
        below.setdefault(parents[n.id], []).append(replace(n, content=text, reasoning=thought))
    ordered = list(below.get(None, []))
    for n in ordered:  # grows while it is walked
        ordered.extend(below.get(n.id, []))
    return ordered


def _dated(
    ordered: Sequence[Node], parents: Mapping[str, str | None], about: About
) -> tuple[tuple[ReadMessage, ...], dict[str, int]]:
    """The messages with dates, and their positions by id.

    One without a date has its parent's. Microseconds keep those of the same time in the order of the file, and children
    after parents.
    """
    made: list[ReadMessage] = []
    positions: dict[str, int] = {}
    given: list[datetime] = []  # without the microseconds
    same: Counter[datetime] = Counter()
    start = about.created_at or next((n.created_at for n in ordered if n.created_at), datetime.now(UTC))
    for n, node in enumerate(ordered):
        parent_id = parents[node.id]
        parent = positions[parent_id] if parent_id is not None else None
        given.append(node.created_at or (given[parent] if parent is not None else start))
        at = given[n] + timedelta(microseconds=same[given[n]])
        same[given[n]] += 1
        if parent is not None:
            at = max(at, made[parent].created_at + timedelta(microseconds=1))
        corrects = positions.get(node.corrects_id or "")  # a correction comes after the original, as its sibling
        model = node.model or about.model if node.role is Role.ASSISTANT and corrects is None else ""
        said = (node.role, node.content, node.state, at, model, node.ratings, node.reasoning)
        made.append(ReadMessage(parent, *said, corrects if _is_sibling(corrects, parent, made) else None))
        positions[node.id] = n
    return tuple(made), positions


def _is_sibling(other: int | None, parent: int | None, made: Sequence[ReadMessage]) -> bool:
    return other is not None and made[other].parent == parent and made[other].role is Role.ASSISTANT


def _leaf(
    given: str | None, known: Mapping[str, Node], parents: Mapping[str, str | None], positions: Mapping[str, int]
) -> int:
    """The position of the shown leaf: the file's, or its nearest ancestor that is a message, or the last message."""
    if given is not None and given in known and given not in positions:
        given = parents[given]
    return positions.get(given or "", max(0, len(positions) - 1))


def _cut(text: str, limit: int, changed: Counter[Changed]) -> str:
    if len(text) > limit:
        changed[Changed.SHORTENED] += 1
        text = text[:limit]
    return storable(text)


def _sampling(given: object, changed: Counter[Changed]) -> Mapping[str, object]:
    if not given:
        return {}
    if isinstance(given, Mapping) and _can_be_set(given):
        return dict(given)
    changed[Changed.SETTINGS] += 1
    return {}


def _can_be_set(sampling: Mapping[str, object]) -> bool:
    try:
        check_overrides(sampling)
    except InvalidSampling:
        return False
    stops = sampling.get("stop")
    return all(storable(stop) == stop for stop in (stops if isinstance(stops, list) else ()))
