"""Chat templates from anywhere: rendered right, and never for long, with much memory or with a file in hand."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from app.config import Settings
from app.domain.messages import Role, Turn
from app.domain.turn_order import in_order
from app.engine.base import EngineFactory, LoadPlan
from app.engine.pool import ModelPool
from app.engine.scripted import ScriptedEngine, babble
from app.engine.templates import renderer as renderer_module
from app.engine.templates.native_format import NativeFormat, native_format
from app.engine.templates.renderer import TemplateEndless, TemplateForbidden, TemplateRefused, TemplateRenderer
from app.errors import ConversationRefused, DamagedWeights, GenerationFailed, WorkerFailed
from app.models.catalog import Catalog
from app.weights.formats.chat_template import ChatTemplate
from tests.support import chat_templates
from tests.support.files import place
from tests.support.gguf_files import LLAMA, GGUFFile
from tests.support.safetensors_files import write_llama

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
PLAIN = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
HELLO = [{"role": "user", "content": "Hello 你好 😀"}]
WITHIN_S = 15.0  # a second or two of computing, on a machine that has other things to do

ORPHANING = """
import asyncio
from app.engine.templates.renderer import TemplateRenderer

async def main():
    renderer = TemplateRenderer()
    await renderer.render("x", [])
    print(renderer.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
async def renderer() -> AsyncIterator[TemplateRenderer]:
    renderer = TemplateRenderer()
    yield renderer
    await renderer.close()


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sandboxes that are started now end what does not finish after less than half a second."""
    monkeypatch.setattr(renderer_module, "_MODULE", "tests.support.hasty_sandbox")
    monkeypatch.setattr(renderer_module, "_OUT_OF_TIME", -signal.SIGPROF)


@pytest.fixture
async def hasty(hurry: None) -> AsyncIterator[TemplateRenderer]:
    renderer = TemplateRenderer()
    yield renderer
    await renderer.close()


async def fine(renderer: TemplateRenderer) -> bool:
    return await renderer.render(PLAIN, HELLO) == "user: Hello 你好 😀\n"


async def ends(renderer: TemplateRenderer, name: str) -> None:
    """An endless template is ended, and the next rendered."""
    assert await fine(renderer)
    pid, began = renderer.pid, time.monotonic()
    with pytest.raises(TemplateEndless, match="ran for more than a second"):
        await renderer.render(chat_templates.ENDLESS[name], HELLO)
    assert time.monotonic() - began < WITHIN_S
    assert await fine(renderer)
    assert renderer.pid != pid


@pytest.mark.parametrize("name", chat_templates.ENDLESS)
async def test_an_endless_template_is_ended_and_the_next_rendered(hasty: TemplateRenderer, name: str) -> None:
    await ends(hasty, name)


async def test_it_may_compute_for_a_second(renderer: TemplateRenderer) -> None:
    began = time.monotonic()
    await ends(renderer, "one long product")
    assert time.monotonic() - began > 0.9


@pytest.mark.parametrize("name", chat_templates.GREEDY)
async def test_a_greedy_template_is_ended(renderer: TemplateRenderer, name: str) -> None:
    with pytest.raises(TemplateEndless, match=r"too much memory|endless"):
        await renderer.render(chat_templates.GREEDY[name], HELLO)
    assert await fine(renderer)


@pytest.mark.parametrize("name", chat_templates.CURIOUS)
async def test_a_template_reaches_nothing(renderer: TemplateRenderer, tmp_path: Path, name: str) -> None:
    canary = tmp_path / "canary"
    with pytest.raises(TemplateForbidden):
        await renderer.render(chat_templates.CURIOUS[name].replace("CANARY", str(canary)), HELLO)
    canary.write_text("a secret")
    with pytest.raises(TemplateForbidden) as refused:
        await renderer.render(chat_templates.CURIOUS[name].replace("CANARY", str(canary)), HELLO)
    assert "a secret" not in str(refused.value)
    canary.unlink()
    assert await fine(renderer)


@pytest.mark.parametrize("name", chat_templates.HARMLESS)
async def test_a_faulty_template_says_so(renderer: TemplateRenderer, tmp_path: Path, name: str) -> None:
    pid, canary = renderer.pid, tmp_path / "canary"
    with pytest.raises(TemplateRefused, match=r"\w"):
        await renderer.render(chat_templates.HARMLESS[name].replace("CANARY", str(canary)), HELLO)
    assert not canary.exists()
    assert await fine(renderer)
    assert pid is None or renderer.pid == pid


async def test_those_who_wait_behind_an_endless_one_are_served(hasty: TemplateRenderer) -> None:
    endless = asyncio.ensure_future(hasty.render(chat_templates.ENDLESS["loops"], HELLO))
    await asyncio.sleep(0)
    others = [hasty.render(PLAIN + str(n), HELLO) for n in range(5)]
    results = await asyncio.gather(endless, *others, return_exceptions=True)
    assert isinstance(results[0], TemplateEndless)
    assert results[1:] == [f"user: Hello 你好 😀\n{n}" for n in range(5)]


async def test_one_who_leaves_takes_nobodys_answer(renderer: TemplateRenderer) -> None:
    assert await fine(renderer)
    leaving = asyncio.ensure_future(renderer.render(chat_templates.ENDLESS["loops"], HELLO))
    await asyncio.sleep(0.05)
    leaving.cancel()
    assert await fine(renderer)
    assert leaving.cancelled()


async def test_who_leaves_does_not_take_the_sandbox_with_them(renderer: TemplateRenderer) -> None:
    assert await fine(renderer)
    before = renderer.pid
    for _ in range(20):
        leaving = asyncio.ensure_future(fine(renderer))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # it has asked now, and has no answer yet
        leaving.cancel()
        await asyncio.wait([leaving])
        assert leaving.cancelled()
    assert await fine(renderer)
    assert renderer.pid == before


async def test_a_killed_sandbox_is_replaced_unnoticed(renderer: TemplateRenderer) -> None:
    for pause_s in (0.0, 0.3):
        assert await fine(renderer)
        assert renderer.pid is not None
        os.kill(renderer.pid, signal.SIGKILL)
        await asyncio.sleep(pause_s)
        assert await fine(renderer)


async def test_a_template_that_brings_it_down_twice_is_blamed(renderer: TemplateRenderer) -> None:
    assert await fine(renderer)
    rendering = asyncio.ensure_future(renderer.render(chat_templates.ENDLESS["loops"], HELLO))
    killed: list[int] = []
    while len(killed) < 2:
        await asyncio.sleep(0.05)
        if renderer.pid is not None and renderer.pid not in killed:
            killed.append(renderer.pid)
            os.kill(killed[-1], signal.SIGKILL)
    with pytest.raises(TemplateEndless, match="crashes the process"):
        await rendering
    assert await fine(renderer)


async def test_after_the_end_nothing_is_started() -> None:
    renderer = TemplateRenderer()
    renderer.warm_up()
    await renderer.close()
    await renderer.close()
    with pytest.raises(WorkerFailed, match="shutting down"):
        await fine(renderer)
    assert renderer.pid is None


async def test_closing_during_a_warm_up_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    connecting = asyncio.Event()

    async def connect_never(**_: object) -> None:
        connecting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio, "open_unix_connection", connect_never)
    before = set(psutil.Process().children())
    renderer = TemplateRenderer()
    renderer.warm_up()
    await connecting.wait()
    assert set(psutil.Process().children()) > before
    await renderer.close()
    assert set(psutil.Process().children()) == before


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_the_sandbox_holds_nothing(renderer: TemplateRenderer) -> None:
    await fine(renderer)
    assert renderer.pid is not None
    sandbox = psutil.Process(renderer.pid)
    assert not sandbox.net_connections("inet")
    assert not sandbox.open_files()
    assert sandbox.rlimit(psutil.RLIMIT_NOFILE) == (0, 0)
    assert sandbox.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    assert sandbox.rlimit(psutil.RLIMIT_NPROC) == (0, 0)
    assert sandbox.memory_info().rss < 200 << 20


def test_the_sandbox_dies_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHANING], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        sandbox = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    gone, _ = psutil.wait_procs([sandbox], timeout=2.0)
    assert gone


async def test_long_conversations_and_half_characters_pass(renderer: TemplateRenderer) -> None:
    long = [{"role": "user", "content": "长文 word " * 200_000}, {"role": "assistant", "content": "\ud83d"}]
    expected = "".join(f"{m['role']}: {m['content']}\n" for m in long)
    assert await renderer.render(PLAIN, long) == expected


async def test_a_rendering_costs_a_few_milliseconds_at_most(renderer: TemplateRenderer) -> None:
    turns = [{"role": ("user", "assistant")[n % 2], "content": "word " * 100} for n in range(20)]
    times_s = []
    for _ in range(100):
        began = time.perf_counter()
        await renderer.render(chat_templates.QWEN_3, turns)
        times_s.append(time.perf_counter() - began)
    assert sorted(times_s)[50] < 0.01  # 0.4 ms on an idle machine


@pytest.mark.parametrize(
    "template", [chat_templates.GEMMA, PLAIN.replace("{{ m.role", "{% if m.role == 'user' %}{{ m.role")]
)
async def test_a_system_prompt_that_a_template_has_no_place_for(renderer: TemplateRenderer, template: str) -> None:
    template = (
        template if template == chat_templates.GEMMA else template.replace("\n{% endfor", "\n{% endif %}{% endfor")
    )
    form = NativeFormat(renderer, ChatTemplate(template))
    await form.check("tiny")
    asked = await form.render([Turn(Role.USER, "Be brief.\nHi")])
    assert await form.render([Turn(Role.SYSTEM, "Be brief."), Turn(Role.USER, "Hi")]) == asked


PARTS = (
    "{% for m in messages %}{{ m.role }}: {% for part in m.content %}{{ part.text }}{% endfor %}{{ '\n' }}{% endfor %}"
)
TYPED_PARTS = PARTS.replace("{{ part.text }}", "{% if part['type'] == 'text' %}{{ part['text'] + '' }}{% endif %}")
QUESTIONS_IN_PARTS = (
    "{% for m in messages %}{{ m.role }}: {% if m.role == 'user' %}{{ m.content[0].text }}{% else %}"
    "{{ m.content | trim }}{% endif %}{{ '\n' }}{% endfor %}"
)


@pytest.mark.parametrize("template", [PARTS, TYPED_PARTS, QUESTIONS_IN_PARTS])
async def test_a_template_that_reads_contents_as_parts(renderer: TemplateRenderer, template: str) -> None:
    form = NativeFormat(renderer, ChatTemplate(template))
    await form.check("tiny")
    long = "word " * 300_000
    turns = [Turn(Role.SYSTEM, "Be brief."), Turn(Role.USER, "Hi"), Turn(Role.ASSISTANT, "Yes?"), Turn(Role.USER, long)]
    expected = f"system: Be brief.\nuser: Hi\nassistant: Yes?\nuser: {long}\n"
    assert await form.render(turns) == expected


@pytest.mark.parametrize("template", ["", "Hello!", "{% for m in messages %}{{ m.role }}{{ m.text }}{% endfor %}"])
async def test_a_template_that_leaves_out_what_is_said(renderer: TemplateRenderer, template: str) -> None:
    form = NativeFormat(renderer, ChatTemplate(template))
    with pytest.raises(ConversationRefused, match=r"leaves out what is said.*`family` in its manifest"):
        await form.render([Turn(Role.USER, "Hi")])


STRICT = (
    "{% for m in messages if m.role != 'system' %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('take turns') }}{% endif %}{% endfor %}"
)


@pytest.mark.parametrize(
    "template", [STRICT + PLAIN, chat_templates.LLAMA_2, chat_templates.MISTRAL, STRICT + chat_templates.GEMMA]
)
async def test_a_strict_template_gets_what_it_accepts(renderer: TemplateRenderer, template: str) -> None:
    form = NativeFormat(renderer, ChatTemplate(template, chat_templates.SPECIAL))
    u, a, s = Role.USER, Role.ASSISTANT, Role.SYSTEM
    for given in (
        [(a, "Welcome"), (u, "one"), (a, "two"), (u, "three")],
        [(s, "Be brief"), (a, "Welcome"), (u, "one")],
        [(u, "zero"), (u, "one")],
        [(u, "zero"), (a, ""), (u, "one"), (s, "late")],
        [(s, "one")],
    ):
        text = await form.render(in_order([Turn(*turn) for turn in given]))
        assert "one" in text
        assert ("three" in text) == ((u, "three") in given)
        assert ("Welcome" in text) == (given[1:2] == [(a, "Welcome")])  # left out where it would come first


async def test_what_a_template_says_and_what_is_to_be_done(hasty: TemplateRenderer) -> None:
    hello = [Turn(Role.USER, "Hello")]
    strict = NativeFormat(hasty, ChatTemplate("{{ raise_exception('roles must alternate') }}"))
    await strict.check("tiny")  # other conversations may please it
    with pytest.raises(ConversationRefused, match="does not accept this conversation: roles must alternate"):
        await strict.render([Turn(Role.SYSTEM, "Be brief."), *hello])
    endless = NativeFormat(hasty, ChatTemplate(chat_templates.ENDLESS["loops"]))
    with pytest.raises(GenerationFailed, match=r"does not finish.*`family` in its manifest"):
        await endless.render(hello)
    with pytest.raises(DamagedWeights, match=r"was not loaded.*does not finish") as refused:
        await endless.check("tiny")
    assert refused.value.details["model_id"] == "tiny"
    reading = NativeFormat(hasty, ChatTemplate("{% include '/etc/hostname' %}"))
    with pytest.raises(DamagedWeights, match=r"templates are not allowed to do.*hostname"):
        await reading.check("tiny")


async def test_a_gguf_file_without_a_template_is_spoken_to_in_chatml(
    renderer: TemplateRenderer, tmp_path: Path
) -> None:
    metadata = {key: value for key, value in LLAMA.items() if "template" not in key}
    (tmp_path / "m.gguf").write_bytes(GGUFFile(metadata).build())
    form = native_format(renderer, tmp_path / "m.gguf")
    assert form is not None
    text = await form.render([Turn(Role.SYSTEM, "Be brief."), Turn(Role.USER, "Hi")])
    expected = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert text == expected


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("name", ["loops", "includes"])
async def test_a_folder_with_a_hostile_template_is_refused_before_an_engine_is_built(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "weights" / "tiny"
    write_llama(folder)
    hostile = (chat_templates.ENDLESS | chat_templates.CURIOUS)[name].replace("CANARY", "/etc/hostname")
    (folder / "chat_template.jinja").write_text(hostile)
    built: list[LoadPlan] = []

    def build(plan: LoadPlan) -> ScriptedEngine:
        built.append(plan)
        return ScriptedEngine(babble(5, delay_ms=0))

    settings = Settings(model_store=tmp_path, context_tokens=256, slots=1)
    catalog = Catalog.from_settings(settings)
    pool = ModelPool(settings, catalog, {"torch": EngineFactory("torch", build)})
    with pytest.raises(DamagedWeights, match="`family` in its manifest"):
        await pool.load("tiny")
    assert built == []
    assert catalog.budget.promised_bytes == 0
    (folder / "chat_template.jinja").write_text(PLAIN)
    await pool.load("tiny")
    assert [plan.native is not None for plan in built] == [True]
    await pool.close()


@pytest.fixture
def store(default_weights: Path, tmp_path: Path) -> Path:
    """A store with the default model, two whose templates are hostile, and one that llama.cpp does not know."""
    odd = {key.replace("llama.", "nonsense."): value for key, value in LLAMA.items()}
    headers = {
        "endless": LLAMA | {"tokenizer.chat_template": chat_templates.ENDLESS["loops"]},
        "reading": LLAMA | {"tokenizer.chat_template": f"{{% include '{tmp_path / 'canary'}' %}}"},
        "odd": odd | {"general.architecture": "nonsense"},
    }
    for name, metadata in headers.items():
        (tmp_path / "weights" / name).mkdir(parents=True)
        (tmp_path / "weights" / name / "m.gguf").write_bytes(GGUFFile(metadata).build())
    place(default_weights, tmp_path / "weights" / "good" / "m.gguf")
    return tmp_path


@pytest.mark.usefixtures("hurry")
async def test_a_model_that_is_refused_disturbs_none_that_is_loaded(store: Path) -> None:
    settings = Settings(model_store=store, context_tokens=256, slots=1, threads=1)
    pool = ModelPool(settings, Catalog.from_settings(settings))
    refusals = {
        "endless": (DamagedWeights, "does not finish"),
        "reading": (DamagedWeights, "templates are not allowed to do"),
        "odd": (WorkerFailed, "does not support its architecture, 'nonsense'.*choose another model"),
    }
    try:
        async with pool.lease("good") as model:
            before = await model.render([Turn(Role.USER, "Hi")])
            assert before.text.startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM")
            for name, (kind, words) in refusals.items():
                with pytest.raises(kind, match=words):
                    await pool.load(name)
                assert pool.state(name) == "failed"
                assert await model.render([Turn(Role.USER, "Hi")]) == before
            assert [one.model_id for one in pool.snapshot()] == ["good"]
    finally:
        await pool.close()
