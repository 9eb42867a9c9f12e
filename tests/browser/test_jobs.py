"""The jobs in the page: started, followed, cancelled, resumed, dismissed; also on a phone and in Chinese."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PHONE, OpenPage, scripted
from tests.support.fake_hub import FakeHub
from tests.support.processes import ServerProcess
from tests.support.safetensors_files import write
from tests.support.sentencepiece_files import model
from tests.weights.converting.test_convert import CONFIG, tensors
from tests.weights.fetching.repos import large_gguf

GGUF = "Tiny-Q4_K_M.gguf"


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with FakeHub() as running:
        running.add("tiny/Tiny-GGUF", {GGUF: large_gguf()})
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, hub: FakeHub) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("jobs")
    tiny = folder / "store" / "weights" / "tiny"
    write(tiny / "model.safetensors", tensors())
    (tiny / "config.json").write_text(json.dumps(CONFIG))
    (tiny / "tokenizer.model").write_bytes(model())
    outside = {"HF_TOKEN": "", "HF_HUB_OFFLINE": "", "HF_HOME": str(folder / "hf")}
    with scripted(folder, HF_ENDPOINT=hub.url, **outside) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_jobs(server: ServerProcess, hub: FakeHub) -> Iterator[None]:
    yield
    hub.pause_s = 0
    for job in server.http.get("/api/jobs").json()["items"]:
        server.http.delete(f"/api/jobs/{job['id']}")


def open_jobs(page: Page) -> Locator:
    """The list, opened from the sidebar."""
    if page.evaluate("document.documentElement.dataset.sidebar") == "closed":
        page.locator("[aria-controls=parley-sidebar]").click()
    page.locator(".p-jobs-button").click()
    expect(page.locator(".p-jobs-box")).to_be_visible()
    return page.locator(".p-job")


def keep(page: Page, name: str) -> None:
    """A screenshot to look at, if a folder for them is named."""
    if folder := os.environ.get("PARLEY_TEST_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"jobs-{name}.png"))


def test_a_download_is_followed_cancelled_resumed_and_dismissed(
    server: ServerProcess, open_page: OpenPage, hub: FakeHub
) -> None:
    page = open_page(server.url)
    jobs = open_jobs(page)
    expect(page.locator(".p-jobs-box")).to_contain_text("Nothing is running")
    hub.pause_s = 0.05
    started = server.http.post("/api/models/pull", json={"source": "hub:tiny/Tiny-GGUF"})
    assert started.status_code == 202
    expect(jobs).to_have_count(1)  # without asking again
    expect(jobs).to_contain_text("Download Tiny-Q4_K_M")
    expect(jobs.locator(".p-job-status")).to_contain_text("Downloading:")
    expect(jobs.get_by_role("progressbar")).to_be_visible()
    expect(page.locator(".p-jobs-button")).to_have_attribute("aria-label", "Jobs (1 active)")
    keep(page, "running")
    jobs.get_by_role("button", name="Cancel").click()
    expect(jobs.locator(".p-job-status")).to_have_text("Cancelled")
    expect(jobs.get_by_role("progressbar")).to_be_hidden()
    expect(page.locator(".p-jobs-button")).to_have_attribute("aria-label", "Jobs")
    hub.pause_s = 0
    jobs.get_by_role("button", name="Resume").click()
    expect(jobs.locator(".p-job-status")).to_have_text("Done", timeout=30_000)
    jobs.get_by_role("button", name="Dismiss").click()
    expect(jobs).to_have_count(0)
    expect(page.locator(".p-jobs-box")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".p-jobs-button")).to_be_focused()
    assert server.http.get("/api/jobs").json()["items"] == []


def test_on_a_phone_in_chinese_a_failure_has_its_reason(server: ServerProcess, open_page: OpenPage) -> None:
    server.http.post("/api/models/import", json={"source": "/tmp", "name": "x"}).raise_for_status()
    page = open_page(server.url, "zh", PHONE)
    jobs = open_jobs(page)
    expect(jobs).to_contain_text("导入 x")
    expect(jobs.locator(".p-job-status")).to_contain_text("无法使用：")
    box = page.locator(".p-jobs-box").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE[0]
    assert box["y"] + box["height"] <= PHONE[1]
    keep(page, "phone")
    before = server.http.get("/api/jobs").json()["items"][0]["ended_at"]
    jobs.get_by_role("button", name="重试").click()
    for _ in range(200):  # the page shows the former failure until the next try has begun
        job = server.http.get("/api/jobs").json()["items"][0]
        if job["state"] == "failed" and job["ended_at"] != before:
            break
        page.wait_for_timeout(50)
    page = open_page(server.url, "zh", PHONE)
    jobs = open_jobs(page)
    expect(jobs.locator(".p-job-status")).to_contain_text("无法使用：")
    jobs.get_by_role("button", name="移除").click()
    expect(jobs).to_have_count(0)


def test_a_model_is_converted_from_the_picker(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    page.locator(".p-picker").click()
    page.locator(".p-model[data-model='tiny']").click()
    panel = page.locator(".p-model-panel")
    keep(page, "convert")
    panel.get_by_role("button", name="Convert to GGUF").click()
    expect(page.locator(".p-toasts")).to_contain_text("Converting tiny. Its progress is in the jobs.")
    expect(page.locator(".p-toasts")).to_contain_text("Convert tiny to q4_0: Done", timeout=30_000)
    expect(panel).to_contain_text("runs in llama.cpp")
    expect(panel.get_by_role("button", name="Convert to GGUF")).to_have_count(0)
    expect(open_jobs(page)).to_contain_text("Convert tiny to q4_0")
