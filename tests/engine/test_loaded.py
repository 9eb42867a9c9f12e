from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from app.domain.generation import Prompt
from app.domain.messages import Role, Turn
from app.engine.loaded import LoadedModel
from app.engine.scripted import ScriptedEngine, echo
from app.models.manifest import Manifest

pytestmark = pytest.mark.anyio


class Engine(ScriptedEngine):
    """Remembers how many prompts it rendered at once."""

    rendering = most = 0

    async def render(self, turns: Sequence[Turn], prefill: str = "", thinking: bool | None = None) -> Prompt:
        self.rendering += 1
        self.most = max(self.most, self.rendering)
        try:
            await asyncio.sleep(0)
            return await super().render(turns, prefill, thinking)
        finally:
            self.rendering -= 1


async def test_prompts_are_rendered_a_few_at_a_time() -> None:
    engine = Engine(echo())
    await engine.start()
    model = LoadedModel(Manifest("test", "Test", "native", "scripted"), engine, "digest", max_waiting=64)
    prompts = await asyncio.gather(*(model.render([Turn(Role.USER, str(n))]) for n in range(20)))
    assert [prompt.text for prompt in prompts] == [f"user: {n}\nassistant: " for n in range(20)]
    assert engine.most == 2


async def test_turns_are_put_in_order() -> None:
    engine = Engine(echo())
    await engine.start()
    model = LoadedModel(Manifest("test", "Test", "native", "scripted"), engine, "digest", max_waiting=64)
    roles = [(Role.USER, "one"), (Role.ASSISTANT, ""), (Role.USER, "two"), (Role.SYSTEM, "late")]
    prompt = await model.render([Turn(*turn) for turn in roles])
    assert prompt.text == "system: late\nuser: one\n\ntwo\nassistant: "
