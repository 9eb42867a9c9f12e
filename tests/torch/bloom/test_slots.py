"""Our BLOOM in the engine's batch: each reply as transformers' BLOOM gives it alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")

from app.domain.sampling import SamplingParams  # noqa: E402
from app.engine.torch.adapters import attach  # noqa: E402
from app.engine.torch.loading import load  # noqa: E402
from app.engine.torch.sequences import GenerationJob  # noqa: E402
from app.engine.torch.slots import SlotCache  # noqa: E402
from app.weights.architectures.bloom import kv_values_per_token  # noqa: E402
from tests.support.tiny_models import tiny_bloom  # noqa: E402
from tests.torch.bloom.tiny import ids, original, ours  # noqa: E402
from tests.torch.engine import tiny  # noqa: E402
from tests.torch.engine.tiny import Batch, Loaded  # noqa: E402

WORDS = tiny.tokenizer()
NEW = 16


def prompt(n_tokens: int, seed: int = 0) -> list[int]:
    found: list[int] = ids(n_tokens, seed=seed)[0].tolist()
    return found


def job(number: int, tokens: list[int], adapter: str | None = None) -> GenerationJob:
    params = SamplingParams(temperature=0.0, max_new_tokens=NEW, seed=0, ignore_eos=True)
    return GenerationJob(number, tokens, params, adapter)


def alone(tokens: list[int], its: Any) -> list[int]:
    """What transformers says."""
    inputs = torch.tensor([tokens])
    said = its.generate(
        inputs, attention_mask=torch.ones_like(inputs), max_new_tokens=NEW, do_sample=False, suppress_tokens=[2]
    )
    found: list[int] = said[0, len(tokens) :].tolist()
    return found


def batch(n_heads: int, **sizes: int) -> Batch:
    return Batch(Loaded(ours(n_heads), WORDS, frozenset({2})), **sizes)


@pytest.mark.usefixtures("piece_by_piece")
@pytest.mark.parametrize("n_heads", [4, 6, 12])
@pytest.mark.parametrize("n_slots", [8, 2])
def test_greedy_in_a_batch_is_the_originals_alone(n_heads: int, n_slots: int) -> None:
    prompts = [prompt(n) for n in (5, 40, 1, 400, 17, 129)]  # the long one is read in pieces
    together = batch(n_heads, n_slots=n_slots)
    together.run(*(job(n, tokens) for n, tokens in enumerate(prompts)))
    for number, tokens in enumerate(prompts):
        assert together.tokens[number] == alone(tokens, original(n_heads)), len(tokens)


def test_the_next_turn_reads_only_what_is_new() -> None:
    together = batch(6, n_slots=2)
    first = prompt(100)
    together.run(job(0, first))
    second = first + together.tokens[0] + prompt(15, seed=1)
    together.run(job(1, second))
    assert together.of(1)[0].cached_tokens == 100 + NEW - 1
    assert together.tokens[1] == alone(second, original(6))


def test_lora_beside_the_base(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="the torch extra is not installed")
    config = peft.LoraConfig(r=4, lora_alpha=16, target_modules=["query_key_value"], task_type="CAUSAL_LM")
    tuned = peft.get_peft_model(original(), config)
    torch.manual_seed(0)
    for name, weight in tuned.named_parameters():
        if "lora_" in name:
            weight.data.normal_(std=0.3)
    tuned.save_pretrained(tmp_path)
    model = ours()
    adapters = attach(model, {"tuned": tmp_path}, torch.float32)
    together = Batch(Loaded(model, WORDS, frozenset({2}), adapters=adapters), n_slots=2)
    together.run(job(0, prompt(20)), job(1, prompt(20), "tuned"))
    assert together.tokens[0] == alone(prompt(20), original())
    assert together.tokens[1] == alone(prompt(20), tuned.eval()) != together.tokens[0]


def test_the_cache_is_as_large_as_the_estimate_says() -> None:
    model = ours(6)
    together = Batch(Loaded(model, WORDS, frozenset({2})), n_slots=2, context_tokens=64)
    together.run(job(0, prompt(9)))
    slots: SlotCache = together.scheduler._model.cache
    n_values = sum(store.numel() for store in slots._all())
    assert n_values == 2 * slots.capacity * kv_values_per_token(model.config.to_dict())


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("quantization", ["none", "int8", "nf4"])
def test_a_folder_loads_in_every_way_and_comes_back_from_the_cache(tmp_path: Path, quantization: str) -> None:
    if quantization != "none":
        pytest.importorskip("bitsandbytes", reason="the torch extra is not installed")
    folder = tiny_bloom(tmp_path / "tiny")
    config = {
        "folder": str(folder),
        "model_id": "tiny",
        "cache_dir": str(tmp_path / "cache"),
        "quantization": quantization,
    }
    said = []
    for _ in range(2):
        loaded = load(config)
        assert loaded.eos_ids == {2}
        tokens = loaded.tokenizer("The river flows down.")["input_ids"]
        together = Batch(loaded, n_slots=2)
        together.run(job(0, tokens))
        said.append(together.tokens[0])
    assert said[0] == said[1]
    assert (tmp_path / "cache").exists() == (quantization != "none")
