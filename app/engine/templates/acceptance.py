"""Finds out what a chat template accepts, by rendering samples: it is a program, of which nothing else tells."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from app.domain.messages import Role, Turn
from app.engine.templates.renderer import TemplateRefused

Message = dict[str, object]
Render = Callable[[Sequence[Message]], Awaitable[str]]  # raises TemplateRefused and the renderer's other errors


@dataclass(frozen=True, slots=True)
class Acceptance:
    """How a template wants the messages of a conversation, and what it does to their text."""

    system: bool = True  # false: it has no place for a system message
    parts: frozenset[Role] = frozenset()  # roles whose content it reads as a list of parts
    questions: bool = True  # false: whatever is asked, its prompt is the same
    private_use: bool = True  # false: it takes out or encodes private-use characters

    def message(self, turn: Turn) -> Message:
        """The message of `turn`, for the template."""
        return _message(turn.role, turn.content, self.parts)


class _Read(Enum):
    """How a template reads a message."""

    TEXT = auto()
    PARTS = auto()
    LEFT_OUT = auto()
    REJECTED = auto()


class _Outcome(NamedTuple):
    read: _Read
    private_use: bool = True


class _Sample(NamedTuple):
    text: str
    word: str  # of the text; templates may be expected to leave it whole
    private: str  # a private-use character in the text


_SAMPLES = {
    Role.SYSTEM: _Sample("Be \ue000 brief.", "brief", "\ue000"),
    Role.USER: _Sample("What is \ue001 a river?", "river", "\ue001"),
    Role.ASSISTANT: _Sample("Water \ue002 on its way to the sea.", "water", "\ue002"),
}


async def find_out(render: Render) -> Acceptance:
    """What the template that `render` renders accepts; everything is assumed of one that rejects all samples."""
    user = await _read(render, Role.USER, [Role.USER])
    parts = frozenset([Role.USER]) if user.read is _Read.PARTS else frozenset[Role]()
    reply = await _read(render, Role.ASSISTANT, [Role.USER, Role.ASSISTANT, Role.USER], parts)
    if reply.read is _Read.PARTS:
        parts |= {Role.ASSISTANT}
    system = await _read(render, Role.SYSTEM, [Role.SYSTEM, Role.USER], parts)
    if system.read is _Read.PARTS:
        parts |= {Role.SYSTEM}
    return Acceptance(
        system=user.read is _Read.REJECTED or system.read in (_Read.TEXT, _Read.PARTS),
        parts=parts,
        questions=user.read is not _Read.LEFT_OUT,
        private_use=user.private_use and reply.private_use and system.private_use,
    )


async def _read(render: Render, role: Role, roles: Sequence[Role], parts: frozenset[Role] = frozenset()) -> _Outcome:
    """How the template reads the message of `role` in a sample of `roles`: as text, or else as a list of parts."""
    sample = _SAMPLES[role]
    rendered = False
    for as_parts, read in ((parts, _Read.TEXT), (parts | {role}, _Read.PARTS)):
        try:
            text = await render([_message(one, _SAMPLES[one].text, as_parts) for one in roles])
        except TemplateRefused:
            continue
        if sample.word in text.casefold():
            return _Outcome(read, private_use=sample.private in text)
        rendered = True
    return _Outcome(_Read.LEFT_OUT if rendered else _Read.REJECTED)


def _message(role: Role, content: str, parts: frozenset[Role]) -> Message:
    return {"role": role.value, "content": [{"type": "text", "text": content}] if role in parts else content}
