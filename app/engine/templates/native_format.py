"""Renders prompts with a checkpoint's own chat template, for the family ``native``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from app.domain.messages import Role, Turn
from app.engine.templates.renderer import TemplateEndless, TemplateForbidden, TemplateRefused, TemplateRenderer
from app.errors import ConversationRefused, DamagedWeights, GenerationFailed
from app.weights.formats.chat_template import ChatTemplate, read_template

# The format for a GGUF file without a template, as in llama.cpp.
_CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
_TOKENS_UNKNOWN = {"bos_token": "<s>", "eos_token": "</s>"}  # for the check before the model is loaded
# Samples by role, and a word of each that a template may be expected to leave whole.
_SAMPLES = {
    Role.SYSTEM: ("Be brief.", "brief"),
    Role.USER: ("What is a river?", "river"),
    Role.ASSISTANT: ("Water on its way to the sea.", "water"),
}
_CURE = (
    "Set `family` in its manifest to the prompt format that it was trained with, such as vicuna or alpaca: the "
    "template is then not used."
)

Message = dict[str, object]


@dataclass(frozen=True, slots=True)
class _Accepts:
    """How a template wants the messages of a conversation."""

    system: bool = True  # false: it has no place for a system message
    parts: frozenset[Role] = frozenset()  # roles whose content it reads as a list of parts
    questions: bool = True  # false: whatever is asked, its prompt is the same


def native_format(renderer: TemplateRenderer, weights: Path) -> NativeFormat | None:
    """The format of the model at `weights`; ``None`` for a folder without a template. **Blocks**: reads files.

    Raises :class:`DamagedWeights`.
    """
    template = read_template(weights)
    if template is None and not weights.is_dir():
        template = ChatTemplate(_CHATML)
    return None if template is None else NativeFormat(renderer, template)


class NativeFormat:
    """One model's chat template, and how it wants the messages of a conversation."""

    def __init__(self, renderer: TemplateRenderer, template: ChatTemplate) -> None:
        self._renderer = renderer
        self._template = template
        self._accepts: _Accepts | None = None  # not known yet

    @property
    def template(self) -> str:
        """The template's source."""
        return self._template.text

    async def check(self, model_id: str) -> None:
        """Render sample conversations before the model is loaded.

        Raises :class:`DamagedWeights` for a template that does not terminate or does something forbidden. One that only
        rejects the samples passes: it may accept other conversations.
        """
        try:
            await self._accepted(_TOKENS_UNKNOWN | dict(self._template.special_tokens))
        except (TemplateEndless, TemplateForbidden) as bad:
            raise DamagedWeights(f"The model was not loaded: {_explained(bad)} {_CURE}", model_id=model_id) from bad

    async def render(self, turns: Sequence[Turn], special_tokens: Mapping[str, str] | None = None) -> str:
        """The prompt for a reply to `turns`; `special_tokens` are the loaded model's, by default those in its files.

        For a template without system messages, the system prompt is put before the first user message. If the template
        rejects the conversation, it is offered in other forms.
        Raises :class:`ConversationRefused` with the template's own message when it rejects all of them, and
        :class:`GenerationFailed` for a template that does not terminate.
        """
        tokens = self._template.special_tokens if special_tokens is None else special_tokens
        try:
            accepts = await self._accepted(tokens)
            text = await self._first_accepted(_forms(turns, system=accepts.system), accepts, tokens)
        except TemplateRefused as refused:
            raise _refusal(str(refused).rstrip(". ")) from refused
        except (TemplateEndless, TemplateForbidden) as bad:
            raise GenerationFailed(f"{_explained(bad)} {_CURE}") from bad
        if not accepts.questions or not text.strip():
            raise _refusal("it leaves out what is said")
        return text

    async def _first_accepted(
        self, forms: Sequence[Sequence[Turn]], accepts: _Accepts, tokens: Mapping[str, str]
    ) -> str:
        """The prompt of the first of `forms` that the template accepts. Raises the first refusal."""
        first: TemplateRefused | None = None
        for form in forms:
            messages = [_message(turn.role, turn.content, accepts.parts) for turn in form]
            try:
                return await self._renderer.render(self._template.text, messages, tokens)
            except TemplateRefused as refused:
                first = first or refused
        raise first or TemplateRefused("it has no messages")

    async def _accepted(self, tokens: Mapping[str, str]) -> _Accepts:
        """What the template accepts, tried out with samples; all is assumed of one that rejects them."""
        if self._accepts is None:
            user = await self._read(Role.USER, [Role.USER], tokens)
            parts = frozenset([Role.USER]) if user is _Read.PARTS else frozenset[Role]()
            longer = [Role.USER, Role.ASSISTANT, Role.USER]
            if await self._read(Role.ASSISTANT, longer, tokens, parts) is _Read.PARTS:
                parts |= {Role.ASSISTANT}
            told = await self._read(Role.SYSTEM, [Role.SYSTEM, Role.USER], tokens, parts)
            if told is _Read.PARTS:
                parts |= {Role.SYSTEM}
            takes_system = user is _Read.REJECTED or told in (_Read.TEXT, _Read.PARTS)
            self._accepts = _Accepts(takes_system, parts, questions=user is not _Read.LEFT_OUT)
        return self._accepts

    async def _read(
        self, role: Role, roles: Sequence[Role], tokens: Mapping[str, str], parts: frozenset[Role] = frozenset()
    ) -> _Read:
        """How the template reads the message of `role` in a sample of `roles`: as text, or else as a list of parts."""
        rendered = False
        for as_parts, outcome in ((parts, _Read.TEXT), (parts | {role}, _Read.PARTS)):
            messages = [_message(one, _SAMPLES[one][0], as_parts) for one in roles]
            try:
                text = await self._renderer.render(self._template.text, messages, tokens)
            except TemplateRefused:
                continue
            if _SAMPLES[role][1] in text.casefold():
                return outcome
            rendered = True
        return _Read.LEFT_OUT if rendered else _Read.REJECTED


class _Read(Enum):
    """How a template reads a message."""

    TEXT = auto()
    PARTS = auto()
    LEFT_OUT = auto()
    REJECTED = auto()


def _message(role: Role, content: str, parts: frozenset[Role] = frozenset()) -> Message:
    return {"role": role.value, "content": [{"type": "text", "text": content}] if role in parts else content}


def _forms(turns: Sequence[Turn], *, system: bool) -> list[Sequence[Turn]]:
    """`turns`, and what else to try with a template that rejects them.

    A system message is merged into the first question: at once for a template without `system` messages, or where there
    is no question. Replies before the first question are left out.
    """
    told = bool(turns) and turns[0].role is Role.SYSTEM
    forms = [turns] if (system and len(turns) > 1) or not told else []
    if told:
        forms.append(_without_system(turns))
    first = next((at for at, turn in enumerate(turns) if turn.role is Role.USER), len(turns))
    asked = [*turns[:told], *turns[first:]]
    if len(asked) < len(turns) and first < len(turns):
        forms += _forms(asked, system=system)
    return forms


def _without_system(turns: Sequence[Turn]) -> list[Turn]:
    """The turns with the system turn merged into the next user turn, as llama.cpp does."""
    system, *rest = turns
    if rest and rest[0].role is Role.USER:
        return [Turn(Role.USER, f"{system.content}\n{rest[0].content}"), *rest[1:]]
    return [Turn(Role.USER, system.content), *rest]


def _refusal(reason: str) -> ConversationRefused:
    return ConversationRefused(
        f"This model's chat template does not accept this conversation: {reason}. Start a new chat, or choose another "
        f"model. {_CURE}",
        reason=reason,
    )


def _explained(bad: TemplateEndless | TemplateForbidden) -> str:
    if isinstance(bad, TemplateEndless):
        return f"This model's chat template does not finish ({bad})."
    return f"This model's chat template does something that templates are not allowed to do ({bad})."
