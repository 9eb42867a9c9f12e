"""LLaMA, Qwen and BLOOM from folders as they are published, with their families' prompts: what transformers says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra torch")

from transformers import AutoModelForCausalLM  # noqa: E402
from transformers.models.bloom.modeling_bloom import BloomForCausalLM as TheirBloom  # noqa: E402

from app.domain.messages import Role, Turn  # noqa: E402
from app.domain.sampling import SamplingParams  # noqa: E402
from app.engine.base import LoadPlan  # noqa: E402
from app.engine.torch.engine import TorchEngine  # noqa: E402
from app.engine.torch.loading import load  # noqa: E402
from app.engine.torch.rendering import render_text  # noqa: E402
from app.engine.torch.sequences import GenerationJob  # noqa: E402
from app.families import Family, load_families  # noqa: E402
from app.models.manifest import Manifest  # noqa: E402
from tests.engine.engine_contract import ask  # noqa: E402
from tests.support.tiny_models import tiny_bloom, tiny_llama, tiny_qwen2, tiny_qwen3  # noqa: E402
from tests.torch.engine.tiny import Batch  # noqa: E402

NEW = 24
TURNS = [
    Turn(Role.USER, "river  stone"),
    Turn(Role.ASSISTANT, "你好 😀"),
    Turn(Role.USER, "Write a poem about spring."),
]
Make = Callable[..., Path]


def alpaca(folder: Path) -> Path:
    """A LLaMA with one row more, for padding, and the marks that its training script left."""
    tiny_llama(folder, vocab_size=601)
    marks = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "[PAD]"}
    (folder / "special_tokens_map.json").write_text(json.dumps(marks))
    (folder / "added_tokens.json").write_text('{"[PAD]": 600}')
    return folder


def metas(folder: Path) -> Path:
    """A LLaMA as made of Meta's files: of the tokenizer there is tokenizer.model only."""
    tiny_llama(folder)
    (folder / "tokenizer_config.json").unlink()
    return folder


PUBLISHED = [
    (tiny_llama, "vicuna"),
    (alpaca, "alpaca"),
    (metas, "transcript"),
    (tiny_llama, "belle"),
    (tiny_bloom, "belle"),
    (tiny_qwen2, "native"),
    (tiny_qwen3, "native"),
]


def prompt_ids(tokenizer: Any, family: Family) -> list[int]:
    if family.render is not None:
        return render_text(tokenizer, family.render(TURNS), "")[1]
    messages = [{"role": turn.role.value, "content": turn.content} for turn in TURNS]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return found


def expected(folder: Path, ids: list[int], ends: frozenset[int]) -> list[int]:
    """transformers' own greedy answer, in the worker's precision; BLOOM's by transformers' own class."""
    kind = TheirBloom if "bloom" in (folder / "config.json").read_text() else AutoModelForCausalLM
    model = kind.from_pretrained(folder, dtype=torch.float32).eval()
    inputs = torch.tensor([ids])
    said = model.generate(
        inputs, attention_mask=torch.ones_like(inputs), max_new_tokens=NEW, do_sample=False, eos_token_id=list(ends)
    )
    found: list[int] = said[0, len(ids) :].tolist()
    return found


@pytest.fixture(autouse=True)
def _float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where half precision is fast too: only then are the answers the same to the last token."""
    monkeypatch.setattr("app.engine.torch.loading.compute_dtype", lambda _: torch.float32)


@pytest.mark.parametrize(("make", "family"), PUBLISHED, ids=lambda value: getattr(value, "__name__", value))
def test_greedy_is_what_transformers_says(tmp_path: Path, make: Make, family: str) -> None:
    folder = make(tmp_path / "tiny")
    loaded = load({"folder": str(folder), "model_id": "tiny"})
    ids = prompt_ids(loaded.tokenizer, load_families()[family])
    together = Batch(loaded, n_slots=3)
    params = SamplingParams(temperature=0.0, max_new_tokens=NEW, seed=0)
    together.run(*(GenerationJob(n, ids[: len(ids) - n], params) for n in range(3)))
    for number in range(3):
        assert together.tokens[number] == expected(folder, ids[: len(ids) - number], loaded.eos_ids)


@pytest.mark.parametrize("make", [tiny_llama, alpaca, metas])
def test_llama_ends_at_its_end_and_begins_once(tmp_path: Path, make: Make) -> None:
    loaded = load({"folder": str(make(tmp_path / "tiny")), "model_id": "tiny"})
    assert loaded.eos_ids == {2}
    families = load_families()
    assert prompt_ids(loaded.tokenizer, families["alpaca"])[0] == 1
    vicuna = prompt_ids(loaded.tokenizer, families["vicuna"])
    assert (vicuna.count(1), vicuna.count(2)) == (1, 1)  # </s> behind the earlier answer


@pytest.mark.anyio
async def test_the_worker_answers(tmp_path: Path) -> None:
    """BLOOM, whose attention is Parley's own; LLaMA's is transformers', as is that of the other models here."""
    manifest = Manifest(id="tiny", title="Tiny", family="belle", engine="torch")
    engine = TorchEngine(LoadPlan(manifest, load_families()["belle"], tiny_bloom(tmp_path / "tiny"), 512, 2, 1))
    await engine.start()
    first = await ask(engine, "river 你好", max_new_tokens=12, ignore_eos=True)
    again = await ask(engine, "river 你好", max_new_tokens=12, ignore_eos=True)
    assert first.text == again.text
    assert first.finished.usage.completion_tokens == 12
    assert again.finished.usage.cached_tokens > 0
    await engine.stop()
