"""Reasoning is split from the replies of every engine, and ended at its limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import pytest

from app.chat.completion import _require
from app.chat.generation_requests import request_for
from app.domain.generation import DecodingOptions, Delta, EngineEvent, Finished, FinishReason, GenerationRequest, Prompt
from app.domain.messages import Role, Turn
from app.domain.reasoning import Phase, Said, beginning, phase_after
from app.domain.sampling import SamplingParams
from app.engine.base import Capabilities
from app.engine.control_tokens import ControlTokens
from app.engine.loaded import LoadedModel
from app.engine.reasoning import split_at_end
from app.engine.scripted import Reply, Script, ScriptedEngine
from app.engine.templates.native_format import NativeFormat
from app.engine.templates.renderer import TemplateRenderer
from app.engine.worker_engine import WorkerEngine
from app.errors import UnsupportedRequest
from app.models.manifest import Manifest, Reasoning
from app.weights.formats.chat_template import ChatTemplate

pytestmark = pytest.mark.anyio

MANIFEST = Manifest("test", "Test", "native", "scripted")
HELLO = [Turn(Role.USER, "Hello")]
THOUGHT = "One two three four"
# The end of Qwen3's chat template, and what it does with earlier replies.
QWEN3 = """{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content.split('</think>')[-1].lstrip('\\n') if m.role == 'assistant' else m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% if enable_thinking is defined and enable_thinking is false %}<think>

</think>

{% endif %}{% endif %}"""
DEEPSEEK_R1 = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}<|assistant|><think>\n"


async def loaded(script: Script, manifest: Manifest = MANIFEST) -> LoadedModel:
    engine = ScriptedEngine(script)
    await engine.start()
    return LoadedModel(manifest, engine, "digest", 4)


async def events(
    model: LoadedModel, turns: Sequence[Turn] = HELLO, begun: str = "", **sampling: object
) -> list[EngineEvent]:
    params = SamplingParams(seed=1).merged(sampling)
    prompt = await model.render(turns, begun, params.thinking)
    request = GenerationRequest("r", prompt, params, phase=phase_after(begun))
    with model.admit("local") as ticket:
        return [event async for event in model.generate(request, ticket) if isinstance(event, Delta | Finished)]


def said(found: Sequence[EngineEvent]) -> tuple[str, str]:
    deltas = [event for event in found if isinstance(event, Delta)]
    return "".join(d.reasoning for d in deltas), "".join(d.text for d in deltas)


@pytest.mark.parametrize("text", [f"<think>\n{THOUGHT}\n</think>\n\nHi", f"<think>{THOUGHT}</think>Hi"])
async def test_reasoning_comes_apart_and_every_token_is_counted(text: str) -> None:
    model = await loaded(lambda _: Reply.byte_by_byte(text))
    found = await events(model)
    assert said(found) == (THOUGHT, "Hi")
    assert sum(event.n_tokens for event in found if isinstance(event, Delta)) == len(text)


async def test_a_prompt_that_opens_the_reasoning() -> None:
    class Opening(ScriptedEngine):
        async def render(self, turns: Sequence[Turn], prefill: str = "", thinking: bool | None = None):  # type: ignore[no-untyped-def]
            prompt = await super().render(turns, prefill, thinking)
            return replace(prompt, text=f"{prompt.text}<think>\n")

    engine = Opening(lambda _: Reply.of(f"{THOUGHT}\n</think>\n\nHi"))
    await engine.start()
    assert said(await events(LoadedModel(MANIFEST, engine, "digest", 4))) == (THOUGHT, "Hi")


async def test_an_upstream_whose_prompt_opens_the_reasoning() -> None:
    manifest = replace(MANIFEST, reasoning=Reasoning(opened=True, thinks=True))
    model = await loaded(lambda _: Reply.of(f"{THOUGHT}</think>Hi"), manifest)
    assert said(await events(model)) == (THOUGHT, "Hi")


async def test_a_reply_is_continued_in_its_reasoning_and_in_its_answer() -> None:
    prompts: list[str] = []

    def script(request: GenerationRequest) -> Reply:
        prompts.append(request.prompt.text)
        return Reply.of(" more</think>\nHi" if request.phase is Phase.REASONING else " <think> is a tag")

    model = await loaded(script)
    assert said(await events(model, begun=beginning("One", ""))) == (" more", "Hi")
    assert said(await events(model, begun=beginning("One", "The answer"))) == ("", " <think> is a tag")
    assert prompts[0].endswith("assistant: <think>\nOne")
    assert prompts[1].endswith("assistant: <think>\nOne\n</think>\n\nThe answer")


async def test_continued_reasoning_ends_with_whatever_tag_the_model_knows() -> None:
    model = await loaded(lambda _: Reply.of(" more[/THINK]\nHi"))
    assert said(await events(model, begun=beginning("One", ""))) == (" more", "Hi")


async def test_who_is_told_not_to_think_goes_on_with_the_answer() -> None:
    """The prompt has closed the reasoning, so what comes is the answer."""
    model = await loaded(lambda _: Reply.of("The answer."))
    prompt = await model.render(HELLO, beginning("One", ""), False)
    request = request_for(prompt, SamplingParams(thinking=False), 50, prefill=beginning("One", ""))
    with model.admit("local") as ticket:
        found = [event async for event in model.generate(request, ticket) if isinstance(event, Delta)]
    assert said(found) == ("", "The answer.")


async def test_a_reply_that_follows_a_schema_does_not_think() -> None:
    """A grammar has no place for the closing tag of reasoning that the template has opened."""
    prompts: list[str] = []

    def script(request: GenerationRequest) -> Reply:
        prompts.append(request.prompt.text)
        return Reply.of('{"a": 1}')

    model = await loaded(script)
    prompt = await model.render(HELLO)
    opened = replace(prompt, text=f"{prompt.text}<think>\n")
    options = DecodingOptions(json_schema={"type": "object"})
    request = GenerationRequest("r", opened, SamplingParams(seed=1), options=options)
    with model.admit("local") as ticket:
        found = [event async for event in model.generate(request, ticket) if isinstance(event, Delta)]
    assert said(found) == ("", '{"a": 1}')
    assert prompts[0].rstrip().endswith("</think>")


async def test_reasoning_is_in_no_later_prompt() -> None:
    model = await loaded(lambda _: Reply.of("Hi"))
    turns = [Turn(Role.USER, "a"), Turn(Role.ASSISTANT, "<think>\nsecret\n</think>\n\nb"), Turn(Role.USER, "<think>c")]
    assert (await model.render(turns)).text == "user: a\nassistant: b\nuser: <think>c\nassistant: "


async def test_reasoning_ends_at_its_limit() -> None:
    def script(request: GenerationRequest) -> Reply:
        if request.prompt.text.endswith("</think>\n\n"):
            return Reply.of("</think>\n\nSo it is four.")  # as models do behind a tag that they didn't write
        return Reply.of(f"<think>\n{'word ' * 1000}")

    model = await loaded(script)
    found = await events(model, thinking_tokens=10, max_new_tokens=50)
    reasoning, text = said(found)
    assert text == "So it is four."
    assert 8 <= len(reasoning.split()) <= 10
    finished = found[-1]
    assert isinstance(finished, Finished)
    assert finished.reason is FinishReason.STOP
    assert finished.usage.completion_tokens == 10 + len(Reply.of("</think>\n\nSo it is four.").pieces)
    cut = await events(model, thinking_tokens=10, max_new_tokens=10)
    assert said(cut)[1] == ""
    assert cut[-1] == Finished(FinishReason.LENGTH, finished.usage.__class__(finished.usage.prompt_tokens, 10))
    assert len(said(await events(model, max_new_tokens=50))[0].split()) > 40


async def test_a_context_that_the_reasoning_has_filled_ends_the_reply() -> None:
    engine = ScriptedEngine(lambda _: Reply.of(f"<think>{'word ' * 1000}"), context_tokens=24)
    await engine.start()
    found = await events(LoadedModel(MANIFEST, engine, "digest", 4), thinking_tokens=19)
    assert said(found)[1] == ""
    finished = found[-1]
    assert isinstance(finished, Finished)
    assert finished.reason is FinishReason.LENGTH


async def test_a_model_that_reads_its_switch_in_the_question() -> None:
    model = await loaded(lambda _: Reply.of("Hi"), replace(MANIFEST, reasoning=Reasoning("/no_think", thinks=True)))
    assert "user: Hello /no_think\n" in (await model.render(HELLO, thinking=False)).text
    assert "/no_think" not in (await model.render(HELLO)).text


class TemplateEngine(WorkerEngine):
    """Renders a template as the worker engines do, without a worker."""

    def __init__(self, plan: object, tokens: ControlTokens) -> None:
        super().__init__(plan)  # type: ignore[arg-type]
        self._control_tokens = tokens

    async def text(self, begun: str = "", thinking: bool | None = None) -> str:
        return (await self._prompt_text(HELLO, begun, thinking)).text


@pytest.mark.parametrize(
    ("template", "begun", "thinking", "end"),
    [
        (QWEN3, "", None, "assistant\n"),
        (QWEN3, "", False, "assistant\n<think>\n\n</think>\n\n"),
        (QWEN3, beginning("a", ""), None, "assistant\n<think>\na"),
        (QWEN3, beginning("a", "b"), None, "assistant\n<think>\na\n</think>\n\nb"),
        (QWEN3, beginning("a", "b"), False, "assistant\n<think>\n\n</think>\n\nb"),
        (DEEPSEEK_R1, beginning("a", ""), None, "<|assistant|><think>\na"),
        (DEEPSEEK_R1, beginning("a", "b"), None, "<|assistant|><think>\na\n</think>\n\nb"),
        (DEEPSEEK_R1, "b", None, "<|assistant|><think>\n\n</think>\n\nb"),
    ],
)
async def test_the_switch_and_continued_replies_in_templates(
    template: str, begun: str, thinking: bool | None, end: str
) -> None:
    class Plan:
        family = type("Family", (), {"render": None})
        native: NativeFormat

    renderer = TemplateRenderer()
    Plan.native = NativeFormat(renderer, ChatTemplate(template))
    try:
        tokens = ControlTokens({"<|im_end|>": 1}, {"<think>": 2, "</think>": 3}, template)
        engine = TemplateEngine(Plan(), tokens)
        assert (await engine.text(begun, thinking)).endswith(end)
    finally:
        await renderer.close()


async def test_the_tags_of_calls_are_tokens_in_system_texts() -> None:
    """Which tell how functions are called; in what a person says they are text."""
    template = "{% for m in messages %}{{ m.content }}\n{% endfor %}{# <tool_call></tool_call><think> #}"
    tokens = ControlTokens({"<|im_end|>": 1}, {"<tool_call>": 2, "</tool_call>": 3, "<think>": 4}, template)
    renderer = TemplateRenderer()
    plan = SimpleNamespace(family=SimpleNamespace(render=None), native=NativeFormat(renderer, ChatTemplate(template)))
    said = "<tool_call></tool_call><think><|im_end|>"
    try:
        prompt = await TemplateEngine(plan, tokens)._prompt_text([Turn(Role.SYSTEM, said), Turn(Role.USER, said)], "")
    finally:
        await renderer.close()
    assert prompt.text == f"{said}\n{said}\n"
    assert [piece for piece in tokens.pieces(prompt) if isinstance(piece, int)] == [2, 3]


@pytest.mark.parametrize(
    ("hides_opening", "prompt", "phase", "reasoning"),
    [
        (True, "assistant: ", Phase.BEFORE, "So"),  # an upstream's, or a model like R1
        (False, "assistant: ", Phase.BEFORE, ""),  # the format is known, and the model is none that thinks
        (True, "assistant: <think>\n\n</think>\n\n", Phase.BEFORE, ""),  # it was told not to think
        (True, "assistant: Hi", Phase.ANSWER, ""),
    ],
)
def test_what_stands_before_a_closing_tag(hides_opening: bool, prompt: str, phase: Phase, reasoning: str) -> None:
    text = "So\n</think>\nHi"
    request = GenerationRequest("r", Prompt(prompt, 1), SamplingParams(), phase=phase)
    found = split_at_end(text, request, Capabilities(512, 1, hides_opening=hides_opening))
    assert found == (Said("Hi", reasoning) if reasoning else Said(text, ""))


@pytest.mark.parametrize(("template", "hides"), [(QWEN3, True), ("{{ messages }}", False)])
def test_models_whose_template_knows_reasoning_may_leave_its_opening_out(template: str, hides: bool) -> None:
    native = SimpleNamespace(template=template)
    plan = SimpleNamespace(family=SimpleNamespace(render=None), native=native, context_tokens=512, slots=1, adapters={})
    assert WorkerEngine(plan).capabilities.hides_opening is hides  # type: ignore[arg-type]
    plan.family.render = str  # the template is not used
    assert WorkerEngine(plan).capabilities.hides_opening is False  # type: ignore[arg-type]


def test_only_the_tags_of_a_reply_that_is_extended_are_tokens() -> None:
    tokens = ControlTokens({"<|im_end|>": 1}, {"<think>": 2, "</think>": 3}, "<think></think>")
    engine = TemplateEngine(None, tokens)
    extended = engine._reply_text("<think>\nThe tag <|im_end|> ends it, and <think> begins", "</think>")
    pieces = tokens.pieces(extended)
    assert [piece for piece in pieces if isinstance(piece, int)] == [2, 3]
    assert "".join(p if isinstance(p, str) else "" for p in pieces).startswith(
        "\nThe tag <|im_end|> ends it, and <think> b"
    )
    assert extended.text.endswith(" begins\n</think>\n\n")


async def test_a_limit_that_a_program_asks_for_is_refused_where_it_cannot_be_kept() -> None:
    model = await loaded(lambda _: Reply.of("Hi"))
    _require(model, DecodingOptions(), {"thinking_tokens": 9})
    model.engine._capabilities = replace(model.engine.capabilities, thinking_limit=False)  # type: ignore[attr-defined]
    _require(model, DecodingOptions(), {"thinking_tokens": None})
    with pytest.raises(UnsupportedRequest, match="thinking_budget"):
        _require(model, DecodingOptions(), {"thinking_tokens": 9})
