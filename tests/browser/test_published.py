"""What others published, imported by the command line and chatted with in the page: in llama.cpp and in PyTorch."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from typer.testing import CliRunner

from app.cli.main import build
from tests.browser.conftest import OpenPage, ask, scripted
from tests.support.processes import ServerProcess

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs the extra torch"),
    pytest.mark.timeout(300),
]
LOAD_MS = 60_000
# The model's name, the form in which it was published, and its family: by its template, its name, or neither.
MODELS = [
    ("my-llama", "LLaMA, Hugging Face", "transcript"),
    ("meta-llama", "LLaMA, Meta's two files", "transcript"),
    ("alpaca-tiny", "Alpaca, difference", "alpaca"),
    ("vicuna-tiny", "Vicuna, delta v1.1", "vicuna"),
    ("bloomz-tiny", "BLOOM", "transcript"),
    ("belle-tiny", "BELLE of LLaMA, XOR", "belle"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("published")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    with scripted(folder, PARLEY_CONTEXT_TOKENS="256") as running:
        yield running


def imported(folder: Path, name: str, form: str) -> str:
    """What `parley models import … --to q4_0` said."""
    from tests.support.published import FORMS

    made = FORMS[form](folder / name)
    base = ["--base", str(made.base)] if made.base else []
    command = ["models", "import", str(made.path), "--name", name, "--to", "q4_0", *base]
    done = CliRunner().invoke(build(), command, env={"PARLEY_MODEL_STORE": str(folder / "store")})
    assert done.exit_code == 0, done.output
    return done.output


def answered(page: Page, text: str) -> None:
    """Ask; the reply has ended well. What random weights say may be invisible."""
    before = page.locator(".p-reply").count()
    ask(page, text)
    expect(page.locator(".p-reply")).to_have_count(before + 1)
    expect(page.locator(".p-reply").last).to_have_attribute("data-state", "complete", timeout=LOAD_MS)


# One form from file to chat each time; the others, whose import and arithmetic have tests of their own, in .ci/run.
CASES = [
    pytest.param(*model, id=model[1], marks=() if model[1] == "LLaMA, Meta's two files" else pytest.mark.slow)
    for model in MODELS
]


@pytest.mark.parametrize(("name", "form", "family"), CASES)
def test_imported_and_chatted_with_in_both_engines(
    server: ServerProcess, open_page: OpenPage, folder: Path, name: str, form: str, family: str
) -> None:
    assert f"{name} is in" in imported(folder, name, form)
    page = open_page(server.url, "zh" if "belle" in name else "en")
    page.locator(".p-picker").click()
    option = page.locator(f".p-model[data-model='{name}']")
    option.click()
    ways = page.locator(".p-choices .p-segments .p-choice")
    expect(ways).to_have_count(4)
    expect(ways.first).to_contain_text("q4_0")
    expect(ways.first.locator("input")).to_be_checked()
    page.keyboard.press("Escape")
    answered(page, "Hello 你好")
    page.locator(".p-picker").click()
    page.locator(f"input[value='{name}@none']").check()
    expect(page.locator(".p-picker-title")).to_contain_text("none")
    page.keyboard.press("Escape")
    answered(page, "Once more")
    conversation = page.url.split("?c=")[1]
    messages = server.http.get(f"/api/conversations/{conversation}").json()["messages"]
    origins = [message["provenance"] for message in messages if message["role"] == "assistant"]
    assert [(origin["model_id"], origin["engine"], origin["family"]) for origin in origins] == [
        (name, "llama_cpp", family),
        (f"{name}@none", "torch", family),
    ]
    for way in (name, f"{name}@none"):  # several PyTorch processes would be in each other's way
        assert server.http.post(f"/api/models/{way}/unload").status_code == 204
