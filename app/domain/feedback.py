"""Feedback on replies, and the rules that turn it into training data.

Only finished replies on which the majority of raters agree become data. The others are dropped and counted.
"""

from __future__ import annotations

import hashlib
import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.messages import Conversation, Message, MessageState, Role, Turn, by_id, path_to, turns
from app.errors import MessageNotFound


class Verdict(StrEnum):
    """A thumb up or down. ``retracted`` cancels an earlier one."""

    UP = "up"
    DOWN = "down"
    RETRACTED = "retracted"


# Reasons of a thumb down. Front ends translate them.
REASONS = ("wrong", "off_topic", "too_long", "too_short", "unsafe", "repeats", "language", "format", "other")


@dataclass(frozen=True, slots=True)
class Rating:
    """One rating of one message. Append-only: the latest per rater and message counts."""

    id: str
    message_id: str
    user_id: str
    verdict: Verdict
    reasons: tuple[str, ...]
    comment: str
    score: int | None  # 1 … 10
    created_at: datetime  # UTC


@dataclass(frozen=True, slots=True)
class RatedConversation:
    """A conversation with all its messages, and all its ratings in the order in which they were given."""

    conversation: Conversation
    messages: tuple[Message, ...]
    ratings: tuple[Rating, ...]


class Drop(StrEnum):
    """Why a rated reply, or a pair of replies, does not become a training row. Exports count them by reason."""

    RETRACTED = "retracted"  # all raters retracted their ratings
    CONTRADICTED = "contradicted"  # as many thumbs up as down
    UNFINISHED = "unfinished"  # cancelled, failed, interrupted or still running: the model did not end it
    EMPTY = "empty"  # no text, or no question before it
    BROKEN = "broken"  # messages before it are missing, so the prompt cannot be rebuilt
    NO_RIVAL = "no_rival"  # no sibling with the same prompt has the opposite majority
    IDENTICAL = "identical"  # chosen and rejected have the same text
    DUPLICATE = "duplicate"  # the same row already exists


Drops = Counter[Drop]


@dataclass(frozen=True, slots=True)
class Judged:
    """A finished reply with a majority of thumbs up or down."""

    message: Message
    prompt: tuple[Turn, ...]  # as the model read it, with the system prompt
    liked: bool
    rating: Rating  # the latest one of the majority
    votes_up: int
    votes_down: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Two siblings, one preferred over the other. The weights of a prompt's pairs add up to 1."""

    chosen: Judged
    rejected: Judged
    weight: float


def rated_since(conversations: Iterable[RatedConversation], since: datetime) -> Iterator[RatedConversation]:
    """Conversations with a rating given at `since` or later; whole ones, so that pairs keep both sides."""
    return (c for c in conversations if any(r.created_at >= since for r in c.ratings))


def split_of(conversation_id: str, test_share: float) -> str:
    """``train`` or ``test``, by the id alone: a conversation is in the same split in every export with this share.

    Splitting by conversation keeps similar prompts in the same split.
    """
    number = int.from_bytes(hashlib.sha256(conversation_id.encode()).digest()[:8], "big")
    return "test" if number < test_share * 2**64 else "train"


def prompt_of(messages: Mapping[str, Message], reply: Message, conversation: Conversation) -> tuple[Turn, ...]:
    """The turns that the model read for `reply`: with the system prompt of that time, without dropped turns.

    Raises :class:`MessageNotFound` when one of its ancestors is missing.
    """
    origin = reply.provenance
    read = turns(path_to(messages, reply.parent_id), origin.system_prompt if origin else conversation.system_prompt)
    system = [t for t in read[:1] if t.role is Role.SYSTEM]
    dropped = origin.dropped_turns if origin else 0
    return (*system, *read[len(system) + dropped :])


def unpaired(conversations: Iterable[RatedConversation], drops: Drops) -> Iterator[Judged]:
    """Every rated reply on its own; dropped ones are counted in `drops`."""
    seen: set[str] = set()
    for conversation in conversations:
        for judged in _judged(conversation, drops):
            digest = _digest(judged.prompt, judged.message.content, str(judged.liked))
            if digest in seen:
                drops[Drop.DUPLICATE] += 1
                continue
            seen.add(digest)
            yield judged


def pairs(conversations: Iterable[RatedConversation], drops: Drops) -> Iterator[Pair]:
    """Every liked reply paired with every disliked one to the same prompt; dropped ones are counted in `drops`.

    Siblings with different prompts (another system prompt, other turns dropped) are not compared.
    """
    seen: set[str] = set()
    for conversation in conversations:
        groups: dict[tuple[str | None, tuple[Turn, ...]], list[Judged]] = {}
        for judged in _judged(conversation, drops):
            groups.setdefault((judged.message.parent_id, judged.prompt), []).append(judged)
        for group in groups.values():
            found = _pairs_within(group, seen, drops)
            yield from (Pair(chosen, rejected, 1 / len(found)) for chosen, rejected in found)


def _pairs_within(group: Sequence[Judged], seen: set[str], drops: Drops) -> list[tuple[Judged, Judged]]:
    liked = [j for j in group if j.liked]
    disliked = [j for j in group if not j.liked]
    if not liked or not disliked:
        drops[Drop.NO_RIVAL] += len(group)
    found: list[tuple[Judged, Judged]] = []
    for chosen, rejected in itertools.product(liked, disliked):
        texts = chosen.message.content, rejected.message.content
        digest = _digest(chosen.prompt, *texts)
        if _normal(texts[0]) == _normal(texts[1]):
            drops[Drop.IDENTICAL] += 1
        elif digest in seen:
            drops[Drop.DUPLICATE] += 1
        else:
            seen.add(digest)
            found.append((chosen, rejected))
    return found


def _judged(rated: RatedConversation, drops: Drops) -> Iterator[Judged]:
    """The conversation's replies with a majority, oldest first."""
    latest: dict[str, dict[str, Rating]] = {}
    for rating in rated.ratings:
        latest.setdefault(rating.message_id, {})[rating.user_id] = rating
    messages = by_id(rated.messages)
    for message in sorted(rated.messages, key=lambda m: (m.created_at, m.id)):
        if message.id in latest:
            found = _judge(message, messages, rated.conversation, list(latest[message.id].values()))
            if isinstance(found, Drop):
                drops[found] += 1
            else:
                yield found


def _judge(
    message: Message, messages: Mapping[str, Message], conversation: Conversation, ratings: Sequence[Rating]
) -> Judged | Drop:
    up = [r for r in ratings if r.verdict is Verdict.UP]
    down = [r for r in ratings if r.verdict is Verdict.DOWN]
    if not up and not down:
        return Drop.RETRACTED
    if len(up) == len(down):
        return Drop.CONTRADICTED
    if message.state is not MessageState.COMPLETE:
        return Drop.UNFINISHED
    try:
        prompt = prompt_of(messages, message, conversation)
    except MessageNotFound:
        return Drop.BROKEN
    if not message.content.strip() or not any(t.role is Role.USER for t in prompt):
        return Drop.EMPTY
    majority = max(up, down, key=len)
    return Judged(message, prompt, majority is up, max(majority, key=lambda r: r.created_at), len(up), len(down))


def _digest(prompt: Iterable[Turn], *texts: str) -> str:
    """A digest of a row that ignores spaces, case and the width of letters."""
    parts = [f"{t.role}\0{_normal(t.content)}" for t in prompt] + [_normal(t) for t in texts]
    return hashlib.sha256("\0\0".join(parts).encode()).hexdigest()


def _normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
