"""Prompts by a checkpoint's own chat template: what the family ``native`` means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from app.domain.messages import Role, Turn
from app.engine.templates.renderer import TemplateEndless, TemplateForbidden, TemplateRefused, TemplateRenderer
from app.errors import DamagedWeights, GenerationFailed
from app.weights.formats.chat_template import ChatTemplate, read_template

# How a GGUF file without a template is talked to, here as in llama.cpp.
_CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
_TOKENS_UNKNOWN = {"bos_token": "<s>", "eos_token": "</s>"}  # for samples, until the model is loaded
_SYSTEM, _QUESTION, _REPLY = "Be brief.", "What is a river?", "Water on its way to the sea."
_CURE = (
    "Set `family` in its manifest to the prompt format that it was trained with, such as vicuna or alpaca: the "
    "template is then not used."
)

Message = dict[str, str]


def native_format(renderer: TemplateRenderer, weights: Path) -> NativeFormat | None:
    """The format of the model at `weights`; ``None`` where a folder has no template. Blocks: reads files.

    Raises :class:`DamagedWeights`.
    """
    template = read_template(weights)
    if template is None and not weights.is_dir():
        template = ChatTemplate(_CHATML)
    return None if template is None else NativeFormat(renderer, template)


class NativeFormat:
    """One model's template, and what was found out about it."""

    def __init__(self, renderer: TemplateRenderer, template: ChatTemplate) -> None:
        self._renderer = renderer
        self._template = template
        self._takes_system: bool | None = None  # not known yet

    async def check(self, model_id: str) -> None:
        """Try the template on samples before the model is loaded.

        Raises :class:`DamagedWeights` for one that does not come to an end or reaches for what is not its own. One that
        merely refuses the samples passes: it may take other conversations.
        """
        tokens = _TOKENS_UNKNOWN | dict(self._template.special_tokens)
        longer = [_message(Role.USER, _QUESTION), _message(Role.ASSISTANT, _REPLY), _message(Role.USER, _QUESTION)]
        try:
            await self._system_is_taken(tokens)
            await self._renderer.render(self._template.text, longer, tokens)
        except TemplateRefused:
            pass
        except (TemplateEndless, TemplateForbidden) as hostile:
            raise DamagedWeights(f"The model was not loaded: {_told(hostile)} {_CURE}", model_id=model_id) from hostile

    async def render(self, turns: Sequence[Turn], special_tokens: Mapping[str, str] | None = None) -> str:
        """The prompt for a reply to `turns`; `special_tokens` as the loaded model has them, else as its files say.

        Where a template knows no system messages, the system prompt stands before the first question.
        Raises :class:`GenerationFailed` with the template's words when it refuses.
        """
        tokens = self._template.special_tokens if special_tokens is None else special_tokens
        messages = [_message(turn.role, turn.content) for turn in turns]
        try:
            if messages and messages[0]["role"] == Role.SYSTEM and not await self._system_is_taken(tokens):
                messages = _without_system(messages)
            return await self._renderer.render(self._template.text, messages, tokens)
        except TemplateRefused as refused:
            raise GenerationFailed(f"This model's chat template rejects this conversation: {refused}") from refused
        except (TemplateEndless, TemplateForbidden) as hostile:
            raise GenerationFailed(f"{_told(hostile)} {_CURE}") from hostile

    async def _system_is_taken(self, tokens: Mapping[str, str]) -> bool:
        """Whether the template writes a system message down. One that refuses every sample is taken at its word."""
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
    """The system message joined to the question that follows it, as llama.cpp does for such templates."""
    system, *rest = messages
    if rest and rest[0]["role"] == Role.USER:
        return [_message(Role.USER, f"{system['content']}\n{rest[0]['content']}"), *rest[1:]]
    return [_message(Role.USER, system["content"]), *rest]


def _told(hostile: TemplateEndless | TemplateForbidden) -> str:
    if isinstance(hostile, TemplateEndless):
        return f"This model's chat template does not finish ({hostile})."
    return f"This model's chat template does something that templates are not allowed to do ({hostile})."
