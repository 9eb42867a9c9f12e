"""Base of the engines that keep a model in one worker process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from app.domain.messages import Role, Turn
from app.domain.reasoning import TAGS, continued
from app.engine.base import Capabilities, LoadPlan
from app.engine.control_tokens import ControlTokens, PromptText
from app.engine.worker_process import WorkerProcess
from app.errors import GenerationFailed, WorkerDied


class WorkerEngine:
    """The worker's state and configuration, prompts, and the errors for a broken connection to it."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._child: WorkerProcess | None = None
        self._special_tokens: dict[str, str] = {}  # by their names in chat templates
        self._control_tokens = ControlTokens()  # what the vocabulary has
        self._starting = asyncio.Lock()

    @property
    def alive(self) -> bool:
        """Whether the worker runs."""
        return self._child is not None and self._child.alive

    @property
    def pid(self) -> int | None:
        """The worker's process id, also while it loads."""
        return self._child.pid if self._child else None

    @property
    def capabilities(self) -> Capabilities:
        """The capabilities given by the plan."""
        plan = self._plan
        template = plan.native.template if plan.native and plan.family.render is None else ""
        return Capabilities(
            context_tokens=plan.context_tokens,
            slots=plan.slots,
            adapters=tuple(plan.adapters),
            thinking_limit=True,
            hides_opening=any(tag in template for tag in TAGS.values()),  # models such as R1 may leave it out
        )

    def _know_control_tokens(self, control: Mapping[str, int], defined: Mapping[str, int]) -> None:
        """Set the vocabulary's control tokens: see :class:`ControlTokens`."""
        native = self._plan.native
        self._control_tokens = ControlTokens(control, defined, native.template if native else "")

    async def _prompt_text(self, turns: Sequence[Turn], prefill: str, thinking: bool | None = None) -> PromptText:
        """The prompt in the model's format; what `turns` and `prefill` say spells no control token in it.

        `thinking`: whether the model is to think first; ``None``: as it does by itself.
        Raises :class:`~app.errors.ConversationRefused` where the format rejects the conversation.
        """
        tokens, native = self._control_tokens, self._plan.native
        if native is not None and not await native.keeps_private_use(self._special_tokens):
            broken_up = [Turn(turn.role, tokens.broken_up(turn.content)) for turn in turns]
            plain = await self._formatted(broken_up, thinking)
            pieces = continued(plain, prefill)
            said = (piece.text if piece.is_format else tokens.broken_up(piece.text) for piece in pieces)
            return PromptText("".join(said))
        escapes = tokens.escapes([*(turn.content for turn in turns), prefill])
        escaped = [Turn(turn.role, escapes.escape(turn.content, turn.role)) for turn in turns]
        pieces = continued(await self._formatted(escaped, thinking), prefill)
        return escapes.undo(
            "".join(piece.text if piece.is_format else escapes.escape(piece.text, Role.ASSISTANT) for piece in pieces)
        )

    def _reply_text(self, begun: str, closing: str) -> PromptText:
        """The beginning of a reply for :meth:`Engine.extend`, in which only the tag may be a control token."""
        text = f"{begun.rstrip()}\n{closing}\n\n"
        at = len(text) - len(closing) - 2
        tags = [(start, end) for start, end in self._control_tokens.spans(text[:at]) if text[start:end] in TAGS]
        own = [*tags[:1], *((at, at + len(closing)) for _ in self._control_tokens.spans(closing))]
        return PromptText(text, tuple(own), spelled=True)

    async def _formatted(self, turns: Sequence[Turn], thinking: bool | None = None) -> str:
        """`turns` by the family's format, or by the checkpoint's own chat template where the family has none."""
        plan = self._plan
        if plan.family.render is not None:
            return plan.family.render(turns)
        if plan.native is not None:
            return await plan.native.render(turns, self._special_tokens, thinking)
        raise GenerationFailed(
            "This model has no chat template. Set the family that it was trained with in its manifest."
        )

    def _worker_config(self) -> dict[str, object]:
        """The configuration common to all workers."""
        plan = self._plan
        return {
            "context_tokens": plan.context_tokens,
            "slots": plan.slots,
            "threads": plan.threads,
            "adapters": {name: str(folder.resolve()) for name, folder in plan.adapters.items()},
            "cache_dir": str(plan.cache_dir.resolve()) if plan.cache_dir else "",
        }

    async def _connection_error(self, child: WorkerProcess | None, broken: OSError) -> WorkerDied | GenerationFailed:
        """The error for a broken connection to `child`: the worker died, or only this request failed."""
        if child is None:
            return self._died("is not running")
        if await child.gone():
            return self._died(child.exit_reason())
        return GenerationFailed(f"The connection to the model's worker broke ({broken}). Try again.")

    def _died(self, how: str) -> WorkerDied:
        return WorkerDied(
            f"The process that holds this model {how}. It restarts with the next request: try again.",
            model_id=self._plan.manifest.id,
        )
