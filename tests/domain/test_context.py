from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.domain.context import exchanges, fit
from app.domain.generation import Prompt
from app.domain.messages import Role, Turn
from app.errors import PromptTooLong

pytestmark = pytest.mark.anyio


class Renderer:
    """A token per character; counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, turns: Sequence[Turn]) -> Prompt:
        self.calls += 1
        text = "".join(t.content for t in turns)
        return Prompt(text, len(text))


def history(*pairs: str, system: str = "") -> list[Turn]:
    turns = [Turn(Role.SYSTEM, system)] if system else []
    for i, text in enumerate(pairs):
        turns.append(Turn(Role.ASSISTANT if i % 2 else Role.USER, text))
    return turns


async def test_what_fits_is_kept_whole() -> None:
    render = Renderer()
    fitted = await fit(history("aaaa", "bbbb", "cc"), render, 100, 20)
    assert (fitted.prompt.text, fitted.dropped_turns, fitted.max_new_tokens) == ("aaaabbbbcc", 0, 20)
    assert render.calls == 1


async def test_as_few_of_the_oldest_exchanges_go_as_needed() -> None:
    turns = history(*(c * 10 for c in "abcdefg"), system="S" * 4)
    fitted = await fit(turns, Renderer(), 64, 100)  # 16 tokens are kept free for the reply
    assert fitted.prompt.text == "SSSS" + "".join(c * 10 for c in "efg")
    assert fitted.dropped_turns == 4
    assert fitted.max_new_tokens == 30


async def test_the_cut_is_the_first_that_fits() -> None:
    turns = history(*(c * 10 for c in "abcdefg"))
    for context in range(14, 120):
        fitted = await fit(turns, Renderer(), context, 1000)
        reserve = max(1, context // 4)
        fewest = next((n for n in range(3) if (7 - 2 * n) * 10 + reserve <= context), 3)
        assert fitted.dropped_turns == 2 * fewest


async def test_the_last_exchange_stays_even_when_little_room_is_left() -> None:
    fitted = await fit(history("a" * 50, "b" * 50, "c" * 90), Renderer(), 100, 50)
    assert (fitted.prompt.text, fitted.dropped_turns, fitted.max_new_tokens) == ("c" * 90, 2, 10)


async def test_a_question_longer_than_the_context_is_refused_with_both_counts() -> None:
    with pytest.raises(PromptTooLong) as refused:
        await fit(history("a", "b", "c" * 100), Renderer(), 100, 10)
    assert refused.value.details == {"prompt_tokens": 100, "context_tokens": 100}


async def test_a_long_history_needs_few_renderings() -> None:
    render = Renderer()
    fitted = await fit(history(*["x" * 10] * 10_001), render, 4096, 1024)
    assert fitted.prompt.n_tokens <= 3072
    assert render.calls < 20


async def test_an_exchange_begins_with_a_question() -> None:
    turns = history("q1", "a1", "q2")
    turns.insert(2, Turn(Role.ASSISTANT, "a1, going on"))
    assert [[t.content for t in group] for group in exchanges(turns)] == [["q1", "a1", "a1, going on"], ["q2"]]
