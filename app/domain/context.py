"""Fits a conversation into a model's context window.

The system turn and the last turn are always kept. The oldest whole exchanges (a question and what follows it) are
dropped first, and no turn is ever truncated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from app.domain.generation import Prompt
from app.domain.messages import Role, Turn
from app.errors import PromptTooLong

Render = Callable[[Sequence[Turn]], Awaitable[Prompt]]


@dataclass(frozen=True, slots=True)
class FittedPrompt:
    """The rendered prompt, the number of turns left out of it, and the maximum length of the reply."""

    prompt: Prompt
    dropped_turns: int
    max_new_tokens: int


def exchanges(turns: Sequence[Turn]) -> list[list[Turn]]:
    """Split into exchanges: each starts at a user turn (the first may start with another role)."""
    groups: list[list[Turn]] = []
    for turn in turns:
        if not groups or turn.role is Role.USER:
            groups.append([])
        groups[-1].append(turn)
    return groups


def remaining_tokens(prompt: Prompt, context_tokens: int) -> int:
    """Tokens left for a reply. Raises :class:`PromptTooLong` when there are none."""
    left = context_tokens - prompt.n_tokens
    if left < 1:
        raise PromptTooLong(
            f"This text is too long: it has {prompt.n_tokens} tokens and this model can read {context_tokens}. "
            "Shorten it, split it into several messages, or choose a model with a longer context.",
            prompt_tokens=prompt.n_tokens,
            context_tokens=context_tokens,
        )
    return left


async def fit(turns: Sequence[Turn], render: Render, context_tokens: int, max_new_tokens: int) -> FittedPrompt:
    """Drop as few of the oldest exchanges as necessary for a useful reply to fit.

    A reply gets `max_new_tokens`, or the remaining tokens if they are fewer, but old turns are dropped until it can
    have a quarter of the context (or `max_new_tokens` if that is less). The number of exchanges to drop is found by
    bisection, so few renderings are needed.

    Raises :class:`PromptTooLong` when the last exchange alone leaves no token for a reply.
    """
    system = [t for t in turns[:1] if t.role is Role.SYSTEM]
    groups = exchanges(turns[len(system) :])
    reserve = min(max_new_tokens, max(1, context_tokens // 4))

    async def rendered(dropped: int) -> Prompt:
        return await render([*system, *(t for g in groups[dropped:] for t in g)])

    prompt, dropped = await rendered(0), 0
    if prompt.n_tokens + reserve > context_tokens and len(groups) > 1:
        low, high = 1, len(groups) - 1  # the fewest exchanges to drop are between low and high
        best = await rendered(high)
        while low < high:
            middle = (low + high) // 2
            candidate = await rendered(middle)
            if candidate.n_tokens + reserve <= context_tokens:
                high, best = middle, candidate
            else:
                low = middle + 1
        prompt, dropped = best, high
    dropped_turns = sum(len(g) for g in groups[:dropped])
    return FittedPrompt(prompt, dropped_turns, min(max_new_tokens, remaining_tokens(prompt, context_tokens)))
