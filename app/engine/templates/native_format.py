"""Renders prompts with a checkpoint's own chat template, for the family ``native``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from app.domain.messages import Role, Turn
from app.engine.templates.acceptance import Acceptance, Message, find_out
from app.engine.templates.renderer import TemplateEndless, TemplateForbidden, TemplateRefused, TemplateRenderer
from app.errors import ConversationRefused, DamagedWeights, GenerationFailed
from app.weights.formats.chat_template import ChatTemplate, read_template

# The format for a GGUF file without a template, as in llama.cpp.
_CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
_TOKENS_UNKNOWN = {"bos_token": "<s>", "eos_token": "</s>"}  # for the check before the model is loaded
_CURE = (
    "Set `family` in its manifest to the prompt format that it was trained with, such as vicuna or alpaca: the "
    "template is then not used."
)


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
        self._acceptance: Acceptance | None = None  # not known yet

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

    async def keeps_private_use(self, special_tokens: Mapping[str, str]) -> bool:
        """Whether private-use characters of a conversation get into the prompt as they are."""
        try:
            return (await self._accepted(special_tokens)).private_use
        except (TemplateEndless, TemplateForbidden):  # as `render` will say
            return True

    async def render(
        self, turns: Sequence[Turn], special_tokens: Mapping[str, str] | None = None, thinking: bool | None = None
    ) -> str:
        """The prompt for a reply to `turns`; `special_tokens` are the loaded model's, by default those in its files.

        `thinking` is the value of ``enable_thinking`` (Qwen3, GLM, Hunyuan, SmolLM3) and of ``thinking``
        (DeepSeek-V3.1, Granite), which templates without such a switch ignore.

        For a template without system messages, the system prompt is put before the first user message. If the template
        rejects the conversation, it is offered in other forms.
        Raises :class:`ConversationRefused` with the template's own message when it rejects all of them, and
        :class:`GenerationFailed` for a template that does not terminate.
        """
        tokens = self._template.special_tokens if special_tokens is None else special_tokens
        try:
            accepts = await self._accepted(tokens)
            switches = {} if thinking is None else {"enable_thinking": thinking, "thinking": thinking}
            variables: dict[str, object] = {**switches, **tokens}
            text = await self._first_accepted(_forms(turns, system=accepts.system), accepts, variables)
        except TemplateRefused as refused:
            raise _refusal(str(refused).rstrip(". ")) from refused
        except (TemplateEndless, TemplateForbidden) as bad:
            raise GenerationFailed(f"{_explained(bad)} {_CURE}") from bad
        if not accepts.questions or not text.strip():
            raise _refusal("it leaves out what is said")
        return text

    async def _first_accepted(
        self, forms: Sequence[Sequence[Turn]], accepts: Acceptance, variables: Mapping[str, object]
    ) -> str:
        """The prompt of the first of `forms` that the template accepts. Raises the first refusal."""
        first: TemplateRefused | None = None
        for form in forms:
            try:
                return await self._renderer.render(
                    self._template.text, [accepts.message(turn) for turn in form], variables
                )
            except TemplateRefused as refused:
                first = first or refused
        raise first or TemplateRefused("it has no messages")

    async def _accepted(self, tokens: Mapping[str, str]) -> Acceptance:
        """What the template accepts; found out once."""
        if self._acceptance is None:

            async def render(messages: Sequence[Message]) -> str:
                return await self._renderer.render(self._template.text, messages, tokens)

            self._acceptance = await find_out(render)
        return self._acceptance


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
