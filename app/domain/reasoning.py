"""Reasoning: what a model thinks before it answers, split from the answer.

Models write it between tags at the beginning of a reply: ``<think>`` … ``</think>`` (Qwen3, DeepSeek-R1 and most
others), ``[THINK]`` (Magistral), ``◁think▷`` (Kimi), ``<seed:think>`` (Seed-OSS). Where the chat template writes the
opening tag at the end of the prompt, a reply begins without it. Once the answer has begun, tags are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

TAGS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
    "◁think▷": "◁/think▷",
}
OPENING, CLOSING = next(iter(TAGS.items()))
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.M)


class Said(NamedTuple):
    """A piece of a reply: of its answer, and of the reasoning before it."""

    text: str
    reasoning: str


class Phase(Enum):
    """Where in a reply something is."""

    BEFORE = auto()  # nothing but spaces yet, or the beginning of a tag
    REASONING = auto()
    AFTER = auto()  # behind the closing tag, before the answer
    ANSWER = auto()


class ReasoningSplitter:
    """Splits the reasoning from one streamed reply, wherever its pieces are cut.

    Spaces around the tags are left out. What may be the beginning of a tag is held back until it is decided.
    """

    def __init__(self, phase: Phase = Phase.BEFORE, closing: str = CLOSING, *, is_continued: bool = False) -> None:
        """`phase` and `closing`: REASONING where the prompt has opened it, and what will close it.

        `is_continued`: the prompt contains the beginning of the reasoning, so that the next spaces are part of it.
        Which tags the model knows is not known then, so any of them ends it.
        """
        self.phase = phase
        self.closing = closing
        self._held = ""
        self._has_reasoning = is_continued
        self._any_ends = is_continued

    def push(self, piece: str) -> Said:
        """Add `piece`; returns what is decided."""
        if self._is_answering:
            return Said(piece, "")
        self._held += piece
        reasoning = ""
        if self.phase is Phase.BEFORE:
            self._begin()
        if self.phase is Phase.REASONING:
            reasoning = self._take_reasoning()
        if self.phase is Phase.AFTER:
            self._end()
        return Said(self._taken() if self._is_answering else "", reasoning)

    def close(self) -> None:
        """The reasoning ends here, without a closing tag. What was held back of it is dropped."""
        self.phase, self._held = Phase.AFTER, ""

    def flush(self) -> Said:
        """What was held back, at the end of the reply."""
        rest = self._taken()
        if self.phase is Phase.REASONING:
            return Said("", rest if rest.strip() else "")
        return Said(rest, "")

    @property
    def _is_answering(self) -> bool:
        return self.phase is Phase.ANSWER

    def _taken(self) -> str:
        held, self._held = self._held, ""
        return held

    def _begin(self) -> None:
        begun = self._held.lstrip()
        opening = _opening(begun)
        if opening is not None:
            self.phase, self.closing = Phase.REASONING, TAGS[opening]
            self._held = begun[len(opening) :]
        elif begun and not any(tag.startswith(begun) for tag in TAGS):
            self.phase = Phase.ANSWER

    def _take_reasoning(self) -> str:
        if not self._has_reasoning:
            self._held = self._held.lstrip()
        closings = tuple(TAGS.values()) if self._any_ends else (self.closing,)
        ends = {self._held.find(closing): closing for closing in closings if closing in self._held}
        if ends:
            end = min(ends)
            self.closing = ends[end]
            found, self._held = self._held[:end].rstrip(), self._held[end + len(self.closing) :]
            self.phase = Phase.AFTER
        else:
            kept = min(_kept(self._held, closing) for closing in closings)
            found, self._held = self._held[:kept], self._held[kept:]
        self._has_reasoning = self._has_reasoning or bool(found)
        return found

    def _end(self) -> None:
        """Drop the spaces before the answer, and a second closing tag, which models write after a forced one."""
        rest = self._held.lstrip()
        if rest.startswith(self.closing):
            rest = rest[len(self.closing) :].lstrip()
        self._held = rest
        if rest and not self.closing.startswith(rest):
            self.phase = Phase.ANSWER


def split(text: str) -> Said:
    """A whole reply, split. The opening tag may be missing, if the closing one stands at the end of a line."""
    if _opening(text):
        splitter = ReasoningSplitter()
        first, rest = splitter.push(text), splitter.flush()
        return Said(first.text + rest.text, first.reasoning + rest.reasoning)
    end = unopened_end(text)
    return Said(text, "") if end is None else Said(text[end[1] :].lstrip(), text[: end[0]].strip())


def unopened_end(text: str) -> tuple[int, int] | None:
    """Where the closing tag of reasoning without an opening tag is: not in code, and at the end of a line."""
    for opening, closing in TAGS.items():
        at = text.find(closing)
        if at < 0 or opening in text[:at]:
            continue
        line = text[text.rfind("\n", 0, at) + 1 : at]
        after = text[at + len(closing) :].partition("\n")[0]
        if not after.strip() and "`" not in line and len(_FENCE.findall(text, 0, at)) % 2 == 0:
            return at, at + len(closing)
    return None


def answer_of(text: str) -> str:
    """A whole reply without its reasoning."""
    return split(text).text


def opened_by(prompt: str) -> str | None:
    """The opening tag with which `prompt` ends, so that the reply begins in the reasoning."""
    end = prompt[-64:].rstrip()
    return next((tag for tag in TAGS if end.endswith(tag)), None)


def is_closed_by(prompt: str) -> bool:
    """Whether `prompt` ends with a closing tag, so that the reply is all answer."""
    return prompt[-64:].rstrip().endswith(tuple(TAGS.values()))


def beginning(reasoning: str, text: str) -> str:
    """The beginning of a reply that is to be continued, with its reasoning as models write it."""
    if not reasoning:
        return text
    begun = f"{OPENING}\n{reasoning}"
    return f"{begun}\n{CLOSING}\n\n{text}" if text else begun


def phase_after(begun: str) -> Phase:
    """Where a reply that begins with `begun` goes on."""
    splitter = ReasoningSplitter()
    splitter.push(begun)
    return splitter.phase


def phase_in(prompt: str, begun: str) -> Phase:
    """Where a reply goes on whose beginning `begun` is part of `prompt`: see :func:`continued`.

    Reasoning that the prompt was built without (the model is not to think) goes on with the answer.
    """
    phase = phase_after(begun)
    if phase is not Phase.REASONING:
        return phase
    _, _, reasoning = begun.lstrip().partition(_opening(begun) or "")
    end = reasoning.rstrip()[-64:]
    return phase if not end or prompt.rstrip().endswith(end) else Phase.ANSWER


class Piece(NamedTuple):
    """A part of a prompt's end."""

    text: str
    is_format: bool  # written by the prompt format, not said by anyone


def continued(prompt: str, begun: str) -> Iterator[Piece]:
    """`prompt`, and behind it the reply's beginning `begun`, with the tags that belong between them.

    A prompt that opens the reasoning itself gets no second opening tag, and a closing one before an answer. One that
    has closed it (the model is not to think) gets the answer only.
    """
    if not begun:
        yield Piece(prompt, is_format=True)
        return
    before = opened_by(prompt)
    is_closed = is_closed_by(prompt)
    opening = before or _opening(begun)
    text, reasoning = split(begun) if _opening(begun) else (begun, "")
    if is_closed or opening is None:
        yield Piece(prompt, is_format=True)
        yield Piece(text, is_format=False)
        return
    yield Piece(f"{prompt.rstrip()}\n" if before else f"{prompt}{opening}\n", is_format=True)
    yield Piece(reasoning, is_format=False)
    if phase_after(begun) is not Phase.REASONING:
        yield Piece(f"\n{TAGS[opening]}\n\n", is_format=True)
        yield Piece(text, is_format=False)


def _opening(text: str) -> str | None:
    """The opening tag that `text` begins with."""
    begun = text.lstrip()
    return next((tag for tag in TAGS if begun.startswith(tag)), None)


def _kept(text: str, closing: str) -> int:
    """Where the part of `text` begins that has to be held back: spaces and the beginning of the closing tag."""
    for size in range(min(len(closing) - 1, len(text)), 0, -1):
        if closing.startswith(text[-size:]):
            return len(text[:-size].rstrip())
    return len(text.rstrip())
