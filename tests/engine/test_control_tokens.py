"""Text that spells control tokens stays text, whatever a chat template does to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

import pytest

from app.domain.messages import Role, Turn
from app.engine.base import LoadPlan
from app.engine.control_tokens import ControlTokens, PromptText
from app.engine.templates.native_format import NativeFormat
from app.engine.templates.renderer import TemplateRenderer
from app.engine.worker_engine import WorkerEngine
from app.families import load_families
from app.families.base import Family
from app.models.manifest import Manifest
from app.weights.formats.chat_template import ChatTemplate
from tests.support.chat_templates import SPECIAL, TEMPLATES

pytestmark = pytest.mark.anyio

NAMES = [
    *("<s>", "</s>", "<unk>", "<|im_start|>", "<|im_end|>", "<|eot_id|>"),
    *("<|start_header_id|>", "<|end_header_id|>", "<start_of_turn>", "<end_of_turn>"),
    *("[INST]", "[/INST]", "[TOOL_CALLS]", "<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>"),
    *("[gMASK]", "<sop>", "<|user|>", "<eot>"),
]
CONTROL = {name: 1000 + index for index, name in enumerate(NAMES)}
DEFINED = {"<think>": 2000, "</think>": 2001, "<|tool|>": 2002, "  ": 2003, "<h1>": 2004}
SPELLED = "".join(f" {name}, " for name in [*NAMES, "<|tool|>"]).strip()
PLAIN = SPELLED.replace("<", "(").replace("[", "(").replace("｜", "|")  # as long, and no control token in it

# What templates do to a text, besides writing it as it is.
HANDLING = {
    "trim": "m.content | trim",
    "slice": "m.content[1:-1]",
    "lower": "m.content | lower",
    "upper": "m.content | upper | lower",
    "letters": "m.content | list | join",
    "replace": "m.content | replace('</think>', '') | replace(' ', '')",
    "split": "m.content.split(', ') | join('')",
    "join": "['', m.content] | join('<|im_start|>')",
    "format": "'%s' | format(m.content)",
    "tojson": "m.content | tojson",
    "ascii": "m.content | tojson(ensure_ascii=True)",
    "urls": "m.content | urlencode | replace('%7C', '|') | replace('%3C', '<') | replace('%3E', '>')",
    "only ASCII": "m.content.encode('ascii', 'ignore').decode()",
    "wrapped": "'<' + m.content + '|>'",
}


def handling(expression: str) -> str:
    return (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{{ BODY }}{{ '<|im_end|>\\n' }}{% endfor %}"
    ).replace("BODY", expression)


@pytest.fixture(scope="module")
async def renderer() -> AsyncIterator[TemplateRenderer]:
    renderer = TemplateRenderer()
    yield renderer
    await renderer.close()


class Formats(WorkerEngine):
    """The part of an engine that makes prompts."""

    def __init__(self, family: Family, native: NativeFormat | None, special: Mapping[str, str] = SPECIAL) -> None:
        manifest = Manifest(id="tiny", title="Tiny", family=family.name, engine="llama_cpp")
        super().__init__(LoadPlan(manifest, family, None, 512, 1, 1, native=native))
        self._special_tokens = dict(special)
        self._know_control_tokens(CONTROL, DEFINED)

    async def prompt(self, turns: Sequence[Turn], prefill: str = "") -> tuple[PromptText, list[int | str]]:
        prompt = await self._prompt_text(turns, prefill)
        return prompt, self._control_tokens.pieces(prompt)

    async def ids(self, turns: Sequence[Turn]) -> list[int]:
        """The control tokens of the prompt as a tokenizer sees it."""
        prompt, pieces = await self.prompt(turns)
        if prompt.spelled:
            assert not [piece for piece in pieces if isinstance(piece, str) and "<|tool|>" in piece]
            return [piece for piece in pieces if isinstance(piece, int)]
        parsed = self._control_tokens
        return [parsed._ids[prompt.text[start:end]] for start, end in parsed.spans(prompt.text)]


def native(renderer: TemplateRenderer, template: str) -> Formats:
    return Formats(Family("native", "Native", None), NativeFormat(renderer, ChatTemplate(template, SPECIAL)))


def chat(text: str) -> list[Turn]:
    return [
        Turn(Role.SYSTEM, f"Be {text}"),
        *(Turn(Role.USER, text), Turn(Role.ASSISTANT, f"{text}."), Turn(Role.USER, f"So {text}?")),
    ]


@pytest.mark.parametrize("name", TEMPLATES)
async def test_only_the_template_writes_control_tokens(renderer: TemplateRenderer, name: str) -> None:
    formats = native(renderer, TEMPLATES[name])
    control = await formats.ids(chat("words"))
    assert len(control) >= 4
    assert await formats.ids(chat(SPELLED)) == control
    prompt, pieces = await formats.prompt(chat(SPELLED))
    assert prompt.text.count(SPELLED) == 4
    names = {index: text for text, index in (CONTROL | DEFINED).items()}
    assert "".join(names[piece] if isinstance(piece, int) else piece for piece in pieces) == prompt.text


@pytest.mark.parametrize("how", HANDLING)
async def test_whatever_a_template_does_to_a_text(renderer: TemplateRenderer, how: str) -> None:
    formats = native(renderer, handling(HANDLING[how]))
    spelled = [Turn(Role.USER, SPELLED + " <|IM_END|> <|im_</think>end|> |im_start")]
    assert await formats.ids(spelled) == await formats.ids([Turn(Role.USER, PLAIN)])
    prompt, _ = await formats.prompt(spelled)
    assert "im_end" in prompt.text.casefold()


@pytest.mark.parametrize("name", [name for name, family in load_families().items() if family.render is not None])
async def test_only_the_family_writes_control_tokens(name: str) -> None:
    formats = Formats(load_families()[name], None)
    assert await formats.ids(chat(SPELLED)) == await formats.ids(chat("words"))
    prompt, _ = await formats.prompt(chat(SPELLED), prefill="Well <s>")
    assert prompt.text.endswith("Well <s>")
    assert prompt.text.count(SPELLED) == 4


async def test_a_text_without_control_tokens_needs_no_pieces(renderer: TemplateRenderer) -> None:
    formats = native(renderer, TEMPLATES["ChatML"])
    for text in ("What is a river?", "if a < b: print([1, 2])", "<html>\n</html>", "\ue000 \uf8ff"):
        prompt, _ = await formats.prompt([Turn(Role.USER, text)], prefill=text)
        assert not prompt.spelled
        assert prompt.text == f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n{text}"


async def test_a_template_still_finds_what_it_looks_for_in_a_text(renderer: TemplateRenderer) -> None:
    template = handling("m.content.split('</think>')[-1] ~ ('!' if '[HINT]' in m.content else '')")
    formats = native(renderer, template)
    formats._know_control_tokens(CONTROL, {})
    turns = [Turn(Role.ASSISTANT, "<think>Hm <|im_end|></think>Yes [HINT] <|im_end|>"), Turn(Role.USER, "So?")]
    prompt, pieces = await formats.prompt(turns)
    assert prompt.text.startswith("<|im_start|>assistant\nYes [HINT] <|im_end|>!<|im_end|>\n<|im_start|>user")
    assert pieces[:3] == [CONTROL["<|im_start|>"], "assistant\nYes [HINT] <|im_end|>!", CONTROL["<|im_end|>"]]


async def test_reasoning_in_a_reply_is_a_matter_of_the_template(renderer: TemplateRenderer) -> None:
    formats = native(renderer, TEMPLATES["DeepSeek"])
    turns = [Turn(Role.USER, "<think> is what?"), Turn(Role.ASSISTANT, "<think>Hm</think>A tag."), Turn(Role.USER, "?")]
    prompt, pieces = await formats.prompt(turns)
    assert "Hm" not in prompt.text
    assert prompt.spelled
    assert pieces[2:4] == ["<", "think> is what?"]  # cut, because tokenizers find this one in any text
    assert pieces.count(DEFINED["<think>"]) == 1  # the template's own, at the end


async def test_a_text_that_begins_with_bos_is_not_the_formats_bos() -> None:
    formats = Formats(load_families()["transcript"], None)
    prompt, pieces = await formats.prompt([Turn(Role.SYSTEM, "<s>Hi"), Turn(Role.USER, "x")])
    assert prompt.text.startswith("<s>Hi")
    assert not prompt.starts_with("<s>")
    assert isinstance(pieces[0], str)


async def test_private_characters_of_a_text_are_left_alone(renderer: TemplateRenderer) -> None:
    text = "".join(map(chr, range(0xE000, 0xF900))) + " <|im_end|>"
    prompt, pieces = await native(renderer, TEMPLATES["ChatML"]).prompt([Turn(Role.USER, text)])
    assert f"user\n{text}" in pieces
    assert prompt.spelled


def test_of_tokens_found_in_any_text_only_those_of_the_template_count() -> None:
    tokens = ControlTokens(CONTROL, DEFINED, "{{ '<think>\\n' }}")
    assert [tokens.spans(text) for text in ("<think>", "<|tool|>", "</think>", "  ", "<h1>")] == [
        [(0, 7)],
        [(0, 8)],
        [],
        [],
        [],
    ]
    assert tokens.pieces(PromptText("a<think>b")) == ["a<", "think>b"]
