"""Turns in the forms that several formats share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain.messages import Message, Role, Turn
from app.domain.turn_order import in_order
from app.export.base import Options, Row

HUMAN_ASSISTANT = {Role.USER: "human", Role.ASSISTANT: "assistant"}
HUMAN_GPT = {Role.SYSTEM: "system", Role.USER: "human", Role.ASSISTANT: "gpt"}


def chat(turns: Sequence[Turn]) -> list[Row]:
    """Turns as the messages of a chat template."""
    return [{"role": str(turn.role), "content": turn.content} for turn in turns]


def reply(message: Message) -> list[Row]:
    """A reply as the messages of a chat template."""
    return [{"role": str(message.role), "content": message.content}]


def named(turns: Sequence[Turn], names: Mapping[Role, str], text: str = "value") -> list[Row]:
    """Turns as ``{"from": …, "value": …}``, with the names of the roles that a program knows."""
    return [{"from": names[turn.role], text: turn.content} for turn in turns]


def without_system(turns: Sequence[Turn]) -> list[Turn]:
    """User and assistant in turn, for formats without system prompts: theirs begins the first question.

    The text is separated by an empty line, as Parley does it for models without system prompts.
    """
    ordered = in_order(turns)
    if ordered[0].role is not Role.SYSTEM:
        return ordered
    at = next(n for n, turn in enumerate(ordered) if turn.role is Role.USER)
    first = Turn(Role.USER, f"{ordered[0].content}\n\n{ordered[at].content}")
    return [*ordered[1:at], first, *ordered[at + 1 :]]


@dataclass(frozen=True, slots=True)
class Rounds:
    """A prompt as rounds of question and answer, and the question that is still open."""

    history: tuple[tuple[str, str], ...]
    question: str


def rounds(turns: Sequence[Turn]) -> Rounds | None:
    """`turns` as rounds; ``None`` if they begin with an answer or don't end with a question."""
    texts = [turn.content for turn in turns]
    if turns[0].role is not Role.USER or turns[-1].role is not Role.USER:
        return None
    return Rounds(tuple(zip(texts[:-1:2], texts[1::2], strict=True)), texts[-1])


def transcript(turns: Sequence[Turn]) -> str | None:
    """A dialogue as one text, as in Anthropic's HH: ``\\n\\nHuman: …\\n\\nAssistant: …``; system text comes first.

    ``None`` if a text contains such a mark itself, since nobody could tell then who says what.
    """
    marks = {Role.SYSTEM: "", Role.USER: "\n\nHuman: ", Role.ASSISTANT: "\n\nAssistant: "}
    if any(mark.strip() in f"\n\n{turn.content}" for turn in turns for mark in ("\n\nHuman:", "\n\nAssistant:")):
        return None
    return "".join(marks[turn.role] + turn.content for turn in turns)


def reasoning(options: Options, **messages: Message) -> Row:
    """What the models thought, in the columns named; no columns unless asked for."""
    return {name: message.reasoning for name, message in messages.items()} if options.reasoning else {}
