"""Chatting with PyTorch models in a real browser: tiny ChatGLMs of all three generations, chosen in the picker."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenPage, ask, finished
from tests.support.processes import ServerProcess, serving
from tests.support.tiny_chatglm import tiny_chatglm, tiny_lora

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs the extra torch"),
    pytest.mark.timeout(300),
]
NAMES = {1: "ChatGLM-tiny", 2: "ChatGLM2-tiny", 3: "ChatGLM3-tiny"}
LOAD_MS = 60_000  # a worker that loads PyTorch on a busy machine


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder: Path = tmp_path_factory.mktemp("torch")
    for generation, name in NAMES.items():
        tiny_chatglm(folder / "store" / "weights" / name, generation)
    tiny_lora(folder / "store" / "weights" / NAMES[1], folder / "store" / "adapters" / "polite")
    with serving(folder, "--ui", "gradio", "--model", "chatglm-tiny") as running:
        yield running


def choose(page: Page, name: str) -> None:
    page.locator(".p-picker").click()
    page.get_by_role("option", name=name, exact=False).first.click()


def replied(page: Page) -> None:
    """A reply has ended well; what a random model says may be invisible."""
    expect(page.locator(".p-reply").last).to_have_attribute("data-state", "complete", timeout=LOAD_MS)


@pytest.mark.parametrize("language", ["en", pytest.param("zh", marks=pytest.mark.slow)])
def test_every_generation_is_chosen_in_the_picker_and_answers(
    server: ServerProcess, open_page: OpenPage, language: str
) -> None:
    page = open_page(server.url, language)
    for turn, name in enumerate(NAMES.values()):
        choose(page, name)
        page.keyboard.press("Escape")
        expect(page.locator(".p-picker")).to_contain_text(name)
        ask(page, f"你好，{name}！")
        expect(page.locator(".p-reply")).to_have_count(turn + 1)
        replied(page)
        expect(page.locator(".p-reply").last).to_contain_text(name)


def test_quantization_and_adapter_are_chosen_before_anything_is_loaded(
    server: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    choose(page, NAMES[1])
    choices = page.locator(".p-choices")
    if not choices.is_visible():
        page.locator(".p-picker").click()
    expect(choices.locator(".p-segments .p-choice")).to_have_count(3)
    for way in choices.locator(".p-segments .p-choice").all():
        expect(way).to_contain_text("MB")
    choices.get_by_role("radio", name="nf4").check()
    choices.get_by_role("radio", name="polite").check()
    page.keyboard.press("Escape")
    ask(page, "你好！")
    replied(page)
    conversation = page.url.split("?c=")[1]
    messages = server.http.get(f"/api/conversations/{conversation}").json()["messages"]
    provenance = messages[-1]["provenance"]
    assert (provenance["model_id"], provenance["adapter"]) == ("chatglm-tiny@nf4", "polite")


def test_two_people_at_once(server: ServerProcess, open_page: OpenPage) -> None:
    pages = [open_page(server.url, language) for language in ("en", "zh")]
    for page in pages:
        choose(page, NAMES[2])
        page.keyboard.press("Escape")
        ask(page, "写一首诗，好吗？")
    for page in pages:
        replied(page)
    assert all(finished(page) is not None for page in pages)
