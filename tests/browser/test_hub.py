"""Fetching from a hub in the page: progress, cancel, resume, the copy for llama.cpp, any model by name, and errors."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import MODEL_EVENTS, PHONE, OpenPage, ask, scripted
from tests.support.fake_hub import FakeHub
from tests.support.processes import ServerProcess
from tests.weights.fetching.repos import large_gguf

pytestmark = pytest.mark.timeout(200)
LOAD_MS = 60_000
GGUF = "Tiny-Q4_K_M.gguf"
MANIFEST = """
id = "tiny-llama"
title = "Tiny LLaMA"
description = "As published."
family = "native"
engine = "torch"
languages = ["en", "zh"]
[translations]
zh = "原样发布。"
[source]
kind = "hub"
repo = "tiny/llama"
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with FakeHub() as running:
        running.add("tiny/Tiny-GGUF", {GGUF: large_gguf(), "Tiny-Q8_0.gguf": large_gguf(1), "README.md": b""})
        running.add("tiny/one", {"One-Q8_0.gguf": large_gguf(2)})
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, hub: FakeHub) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("hub")
    (folder / "store" / "manifests").mkdir(parents=True)
    (folder / "store" / "manifests" / "tiny-llama.toml").write_text(MANIFEST, "utf-8")
    outside = {"HF_TOKEN": "", "HF_HUB_OFFLINE": "", "HF_HOME": str(folder / "hf"), "PARLEY_CONTEXT_TOKENS": "512"}
    with scripted(folder, HF_ENDPOINT=hub.url, **outside) as running:
        yield running


@pytest.fixture(autouse=True)
def _sound_again(hub: FakeHub) -> Iterator[None]:
    yield
    hub.pause_s = 0
    hub.refusals.clear()
    hub.changed.clear()


def picker(page: Page) -> Page:
    if not page.locator(".p-picker-box").is_visible():
        page.locator(".p-picker").click()
    return page


def option(page: Page, name: str) -> Any:
    return page.locator(f".p-model[data-model='{name}']")


def by_name(page: Page, name: str) -> None:
    """Open the form and ask for `name`."""
    picker(page).locator(".p-another").click()
    page.fill("#parley-hub-name", name)
    page.press("#parley-hub-name", "Enter")


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs the extra torch")
def test_fetched_cancelled_resumed_rewritten_and_chatted_with(
    server: ServerProcess, open_page: OpenPage, hub: FakeHub, tmp_path: Path
) -> None:
    from tests.support.tiny_models import tiny_llama

    hub.add("tiny/llama", tiny_llama(tmp_path / "llama", intermediate_size=2048))  # enough bytes to be stopped in
    hub.pause_s = 0.05
    page = picker(open_page(server.url))
    option(page, "tiny-llama").click()
    page.get_by_role("button", name="Download", exact=True).click()
    expect(option(page, "tiny-llama").locator(".p-model-state")).to_contain_text("downloading")
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(option(page, "tiny-llama").locator(".p-model-state")).to_have_text(re.compile("downloading [1-9]"))
    page.get_by_role("button", name="Cancel download").click()
    expect(page.get_by_role("button", name="Download", exact=True)).to_be_visible()
    came = hub.served["model.safetensors"]
    whole = len(hub.repos["tiny/llama"].files["model.safetensors"])
    assert 0 < came < whole
    hub.pause_s = 0
    page.get_by_role("button", name="Download", exact=True).click()
    expect(option(page, "tiny-llama").locator(".p-model-state")).to_have_text("ready", timeout=LOAD_MS)
    assert hub.served["model.safetensors"] < whole + came  # it went on where it was
    told = page.locator(".p-choices .p-segments .p-choice")
    expect(told.first).to_contain_text("q4_0")
    expect(told).to_have_count(4)
    expect(page.locator(".p-model-panel")).to_contain_text("runs in llama.cpp, the fastest on this computer")
    option(page, "tiny-llama").click()
    page.keyboard.press("Escape")
    expect(page.locator(".p-picker-title")).to_have_text("Tiny LLaMA")
    ask(page, "Hello")
    expect(page.locator(".p-reply").last).to_have_attribute("data-state", "complete", timeout=LOAD_MS)
    conversation = page.url.split("?c=")[1]
    origin = server.http.get(f"/api/conversations/{conversation}").json()["messages"][-1]["provenance"]
    assert (origin["model_id"], origin["engine"], origin["quantization"]) == ("tiny-llama", "llama_cpp", "q4_0")


@pytest.mark.parametrize(
    ("phase", "english", "chinese"),
    [
        pytest.param("downloading", "downloading 40%", "下载中 40%", marks=pytest.mark.slow),
        pytest.param("converting", "converting 40%", "转换中 40%", marks=pytest.mark.slow),
        ("quantizing", "converting for llama.cpp 40%", "正在转换为 llama.cpp 格式 40%"),
    ],
)
def test_what_is_being_done_is_told(
    server: ServerProcess, open_page: OpenPage, phase: str, english: str, chinese: str
) -> None:
    listed = server.http.get("/api/models").json()
    item = next(one for one in listed["items"] if one["id"] == "qwen3-0.6b")
    item |= {"state": "fetching", "progress": {"phase": phase, "done_bytes": 40, "total_bytes": 100}}
    for language, text in (("en", english), ("zh", chinese)):
        page = open_page(server.url, language)
        page.route("**/api/models", lambda route: route.fulfill(json=listed))
        page.add_init_script(MODEL_EVENTS)
        page.reload()
        page.wait_for_selector("html[data-ready]")
        expect(option(picker(page), "qwen3-0.6b").locator(".p-model-state")).to_have_text(text)
        option(page, "qwen3-0.6b").click()
        expect(page.get_by_role("progressbar")).to_have_attribute("aria-label", text)


def test_any_model_by_its_name(server: ServerProcess, open_page: OpenPage, hub: FakeHub) -> None:
    """Pasted as an address; several files are offered to choose from; what is chosen is fetched like any other."""
    hub.pause_s = 0.02
    page = open_page(server.url)
    by_name(page, "https://huggingface.co/tiny/Tiny-GGUF/tree/main")
    files = page.locator(".p-by-name-file")
    expect(files).to_have_count(2)
    expect(page.locator(".p-by-name")).to_contain_text("tiny/Tiny-GGUF has several models")
    expect(files.first).to_be_focused()
    page.wait_for_timeout(1200)  # the list is drawn again with each event
    expect(files.first).to_be_focused()
    files.filter(has_text="Q8_0").click()
    expect(option(page, "tiny-q8_0")).to_have_attribute("data-shown", "", timeout=15_000)
    expect(page.locator(".p-model-panel")).to_contain_text("Downloaded by name: tiny/Tiny-GGUF")
    expect(option(page, "tiny-q8_0").locator(".p-model-state")).to_contain_text("downloading")
    expect(page.get_by_role("group", name="On this computer").locator("[data-model='tiny-q8_0']")).to_be_visible(
        timeout=30_000
    )


@pytest.mark.slow
def test_cancelled_by_name_it_is_gone(server: ServerProcess, open_page: OpenPage, hub: FakeHub) -> None:
    hub.pause_s = 0.1
    page = open_page(server.url, "zh")
    by_name(page, "tiny/one")
    expect(option(page, "one-q8_0")).to_be_visible()
    expect(page.locator(".p-model-panel")).to_contain_text("按名称从模型社区（Hugging Face）的 tiny/one 下载")
    page.get_by_role("button", name="取消下载").click()
    expect(option(page, "one-q8_0")).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "refusal", "english", "chinese"),
    [
        ("tiny/one", 403, "accept the licence of tiny/one first. Accept it on", "请在 {page} 接受协议"),
        pytest.param(
            "tiny/nothing",
            0,
            "has no model tiny/nothing. Check the name.",
            "没有模型 tiny/nothing，请检查名称。",
            marks=pytest.mark.slow,
        ),
        pytest.param("tiny/one:two.gguf", 0, "has no file two.gguf", "没有文件 two.gguf", marks=pytest.mark.slow),
        pytest.param("just words", 0, "Write OWNER/NAME", "填写 作者/名称", marks=pytest.mark.slow),
        pytest.param("tiny/one", 503, "is having problems", "暂时出现故障", marks=pytest.mark.slow),
    ],
)
def test_what_the_hub_refuses_is_told_in_place(
    server: ServerProcess, open_page: OpenPage, hub: FakeHub, name: str, refusal: int, english: str, chinese: str
) -> None:
    if refusal:
        hub.refuse("list", refusal, **({"X_Error_Code": "GatedRepo"} if refusal == 403 else {}))
    for language, text in (("en", english), ("zh", chinese)):
        page = open_page(server.url, language, PHONE)
        by_name(page, name)
        told = page.locator(".p-by-name [role=alert]")
        expect(told).to_contain_text(text.replace("{page}", f"{hub.url}/tiny/one"))
        expect(page.locator("#parley-hub-name")).to_be_focused()
        expect(page.locator("#parley-hub-name")).to_have_value(name)


@pytest.mark.slow
def test_a_wrong_sum_is_told_where_the_model_stands(server: ServerProcess, open_page: OpenPage, hub: FakeHub) -> None:
    hub.changed[GGUF] = large_gguf(9)
    page = open_page(server.url)
    by_name(page, f"tiny/Tiny-GGUF:{GGUF}")
    told = page.locator(".p-model-panel [role=alert]")
    expect(told).to_contain_text(f"The checksum of {GGUF} is wrong, so it was deleted", timeout=30_000)
    zh = picker(open_page(server.url, "zh"))
    option(zh, "tiny-q4_k_m").click()
    expect(zh.locator(".p-model-panel [role=alert]")).to_contain_text("校验和不对")
    hub.changed.clear()
    zh.get_by_role("button", name="下载").click()
    expect(option(zh, "tiny-q4_k_m").locator(".p-model-state")).to_have_text("可用", timeout=30_000)


@pytest.mark.slow
def test_what_failed_to_arrive_can_be_forgotten(server: ServerProcess, open_page: OpenPage, hub: FakeHub) -> None:
    hub.add("tiny/bad", {"Bad-Q8_0.gguf": large_gguf(3)})
    hub.changed["Bad-Q8_0.gguf"] = large_gguf(9)
    page = open_page(server.url)
    by_name(page, "tiny/bad")
    expect(page.locator(".p-model-panel [role=alert]")).to_be_visible(timeout=30_000)
    page.get_by_role("button", name="Remove from the list").click()
    expect(option(page, "bad-q8_0")).to_have_count(0)


@pytest.mark.slow
def test_the_code_in_a_folder_is_said_in_the_readers_language(server: ServerProcess, open_page: OpenPage) -> None:
    listed = server.http.get("/api/models").json()
    item = next(one for one in listed["items"] if one["id"] == "test")
    item["ignored"] = ["modeling.py", "auto_map", "x.py", "y.py"]
    listed["items"] = [item]
    for language, text in (
        ("en", "never run: modeling.py, auto_map, x.py and 1 more"),
        ("zh", "文件夹里的代码不会运行"),
    ):
        page = open_page(server.url, language)
        page.route("**/api/models", lambda route: route.fulfill(json=listed))
        page.add_init_script(MODEL_EVENTS)
        page.reload()
        page.wait_for_selector("html[data-ready]")
        picker(page)
        expect(page.locator(".p-model-panel")).to_contain_text(text)
