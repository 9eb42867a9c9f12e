"""Renders prompts with a checkpoint's own chat template, for the family ``native``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from app.domain.messages import Role, Turn
from app.engine.templates.renderer import TemplateEndless, TemplateForbidden, TemplateRefused, TemplateRenderer
from app.errors import DamagedWeights, GenerationFailed
from app.weights.formats.chat_template import ChatTemplate, read_template

# The format for a GGUF file without a template, as in llama.cpp.
_CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
_TOKENS_UNKNOWN = {"bos_token": "<s>", "eos_token": "</s>"}  # for the check before the model is loaded
_SYSTEM, _QUESTION, _REPLY = "Be brief.", "What is a river?", "Water on its way to the sea."
_CURE = (
    "Set `family` in its manifest to the prompt format that it was trained with, such as vicuna or alpaca: the "
    "template is then not used."
)

Message = dict[str, str]


def native_format(renderer: TemplateRenderer, weights: Path) -> NativeFormat | None:
    """The format of the model at `weights`; ``None`` for a folder without a template. **Blocks**: reads files.

    Raises :class:`DamagedWeights`.
    """
    template = read_template(weights)
    if template is None and not weights.is_dir():
        template = ChatTemplate(_CHATML)
    return None if template is None else NativeFormat(renderer, template)


class NativeFormat:
    """One model's chat template, and whether it supports system messages."""

    def __init__(self, renderer: TemplateRenderer, template: ChatTemplate) -> None:
        self._renderer = renderer
        self._template = template
        self._takes_system: bool | None = None  # not known yet

    async def check(self, model_id: str) -> None:
        """Render sample conversations before the model is loaded.

        Raises :class:`DamagedWeights` for a template that does not terminate or does something forbidden. One that only
        rejects the samples passes: it may accept other conversations.
        """
        tokens = _TOKENS_UNKNOWN | dict(self._template.special_tokens)
        longer = [_message(Role.USER, _QUESTION), _message(Role.ASSISTANT, _REPLY), _message(Role.USER, _QUESTION)]
        try:
            await self._system_is_taken(tokens)
            await self._renderer.render(self._template.text, longer, tokens)
        except TemplateRefused:
            pass
        except (TemplateEndless, TemplateForbidden) as bad:
            raise DamagedWeights(f"The model was not loaded: {_explained(bad)} {_CURE}", model_id=model_id) from bad

    async def render(self, turns: Sequence[Turn], special_tokens: Mapping[str, str] | None = None) -> str:
        """The prompt for a reply to `turns`; `special_tokens` are the loaded model's, by default those in its files.

        For a template without system messages, the system prompt is put before the first user message.
        Raises :class:`GenerationFailed` with the template's own message when it rejects the conversation.
        """
        tokens = self._template.special_tokens if special_tokens is None else special_tokens
        messages = [_message(turn.role, turn.content) for turn in turns]
        try:
            if messages and messages[0]["role"] == Role.SYSTEM and not await self._system_is_taken(tokens):
                messages = _without_system(messages)
            return await self._renderer.render(self._template.text, messages, tokens)
        except TemplateRefused as refused:
            raise GenerationFailed(f"This model's chat template rejects this conversation: {refused}") from refused
        except (TemplateEndless, TemplateForbidden) as bad:
            raise GenerationFailed(f"{_explained(bad)} {_CURE}") from bad

    async def _system_is_taken(self, tokens: Mapping[str, str]) -> bool:
        """Whether the template renders system messages; also true for one that rejects all samples."""
        if self._takes_system is None:
            question = _message(Role.USER, _QUESTION)
            alone = await self._sample([question], tokens)
            both = await self._sample([_message(Role.SYSTEM, _SYSTEM), question], tokens)
            self._takes_system = alone is None or (both is not None and _SYSTEM in both)
        return self._takes_system

    async def _sample(self, messages: list[Message], tokens: Mapping[str, str]) -> str | None:
        try:
            return await self._renderer.render(self._template.text, messages, tokens)
        except TemplateRefused:
            return None


def _message(role: Role, content: str) -> Message:
    return {"role": role.value, "content": content}


def _without_system(messages: list[Message]) -> list[Message]:
    """The messages with the system message merged into the next user message, as llama.cpp does."""
    system, *rest = messages
    if rest and rest[0]["role"] == Role.USER:
        return [_message(Role.USER, f"{system['content']}\n{rest[0]['content']}"), *rest[1:]]
    return [_message(Role.USER, system["content"]), *rest]


def _explained(bad: TemplateEndless | TemplateForbidden) -> str:
    if isinstance(bad, TemplateEndless):
        return f"This model's chat template does not finish ({bad})."
    return f"This model's chat template does something that templates are not allowed to do ({bad})."
