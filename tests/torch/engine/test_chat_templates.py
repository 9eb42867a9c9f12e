"""Templates as transformers renders them, in the sandbox that has none of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="needs the extra torch")

from jinja2 import TemplateError
from transformers.utils.chat_template_utils import render_jinja_template

from app.domain.messages import Role, Turn
from app.engine.templates.environment import compiled
from app.engine.templates.native_format import native_format
from app.engine.templates.renderer import TemplateRefused, TemplateRenderer
from tests.support.chat_templates import GEMMA, SPECIAL, TEMPLATES
from tests.torch.engine import tiny

pytestmark = pytest.mark.anyio

USER = {"role": "user", "content": "Hello 你好 😀 <b>&amp;</b>"}
REPLY = {"role": "assistant", "content": "<think>\nwell\n</think>\n\n  Hi, 世界 \n"}
SYSTEM = {"role": "system", "content": "Be brief: «短く»\n{{ 1 + 1 }}"}
CONVERSATIONS = {
    "one question": [USER],
    "with a system prompt": [SYSTEM, USER],
    "several turns": [USER, REPLY, USER, REPLY, {"role": "user", "content": "  And\n\n now? "}],
    "all of it": [SYSTEM, USER, REPLY, USER],
    "an empty question": [{"role": "user", "content": ""}],
    "out of turn": [USER, USER],
    "ends with a reply": [USER, REPLY],
}
# What chat templates use besides.
PIECES = {
    "json": '{{ {"b": [1, "é<>&\'"], "a": none} | tojson }}{{ [1, 2] | tojson(indent=2) }}',
    "json as asked": '{{ {"b": 1, "a": "é"} | tojson(ensure_ascii=true, separators=(",", ":"), sort_keys=true) }}',
    "loop controls": "{% for m in range(9) %}{% if m == 2 %}{% continue %}{% elif m == 5 %}{% break %}{% endif %}"
    "{{ m }}{% endfor %}",
    "generation": "{% for m in messages %}{% generation %}{% set x = 1 %}{{ m.content }}{% endgeneration %}\n"
    "{% endfor %}{{ x }}",
    "blocks": "  {% if true %}\n  a\n  {% endif %}\n b \n",
    "methods": "{{ messages[0].content.split(' ')[0].upper() }}"
    "{{ messages[0].items() | list }}{{ dict(a=1).get('a') }}",
    "the date": "{{ strftime_now('%Y') }}",
    "what is not there": "[{{ nothing }}{{ tools }}{{ documents }}{{ tools is none }}"
    "{{ messages[0].tool_calls is defined }}]",
    "macros": "{% macro f(a, b='!') %}{{ a ~ b }}{% endmacro %}{{ f(1) }}"
    "{% set t %}{{ f(2) }}{% endset %}{{ t | trim }}",
    "filters": "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join('|') }}",
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def renderer() -> AsyncIterator[TemplateRenderer]:
    renderer = TemplateRenderer()
    yield renderer
    await renderer.close()


@pytest.mark.parametrize("chat", CONVERSATIONS)
@pytest.mark.parametrize("name", TEMPLATES)
async def test_a_conversation_is_rendered_as_transformers_does(
    renderer: TemplateRenderer, name: str, chat: str
) -> None:
    await same(renderer, TEMPLATES[name], CONVERSATIONS[chat])


@pytest.mark.parametrize("name", PIECES)
async def test_the_language_is_transformers_own(renderer: TemplateRenderer, name: str) -> None:
    await same(renderer, PIECES[name], CONVERSATIONS["all of it"])


async def same(renderer: TemplateRenderer, template: str, chat: list[dict[str, str]]) -> None:
    """The same text, or refused by both, in the same words."""
    words = ""
    try:
        (expected,), _ = render_jinja_template([chat], chat_template=template, add_generation_prompt=True, **SPECIAL)
    except TemplateError as refused:
        words = str(refused)
    if words:
        with pytest.raises(TemplateRefused) as ours:
            await renderer.render(template, chat, SPECIAL)
        assert str(ours.value) == words
    else:
        assert await renderer.render(template, chat, SPECIAL) == expected


async def test_what_is_asked_of_a_template_reaches_it(renderer: TemplateRenderer) -> None:
    quiet = await renderer.render(TEMPLATES["Qwen3"], [USER], {"enable_thinking": False})
    assert quiet.endswith("assistant\n<think>\n\n</think>\n\n")
    tools = [{"name": "clock", "description": "时间"}]
    told = await renderer.render(TEMPLATES["Qwen2.5"], [USER], {"tools": tools})
    (expected,), _ = render_jinja_template(
        [[USER]], chat_template=TEMPLATES["Qwen2.5"], tools=tools, add_generation_prompt=True
    )
    assert told == expected


async def test_a_folders_own_template_gives_what_its_tokenizer_gives(
    renderer: TemplateRenderer, tmp_path: Path
) -> None:
    words = tiny.tokenizer()
    words.chat_template = GEMMA
    words.save_pretrained(tmp_path)
    form = native_format(renderer, tmp_path)
    assert form is not None
    ours = await form.render([Turn(Role.USER, USER["content"]), Turn(Role.ASSISTANT, "Hi"), Turn(Role.USER, "?")])
    chat = [USER, {"role": "assistant", "content": "Hi"}, {"role": "user", "content": "?"}]
    assert ours == words.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)


def test_templates_share_nothing() -> None:
    assert compiled("a").environment is not compiled("b").environment
    assert compiled("a") is compiled("a")
