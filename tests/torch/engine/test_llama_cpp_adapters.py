"""LoRA through llama.cpp against PEFT's own, on tiny models: the same tokens, and log-probabilities to four digits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra torch")
peft = pytest.importorskip("peft", reason="needs the extra torch")

from transformers import AutoModelForCausalLM  # noqa: E402

from app.engine.base import LoadPlan  # noqa: E402
from app.engine.llama_cpp import engine as llama_cpp  # noqa: E402
from app.engine.llama_cpp.engine import LlamaCppEngine  # noqa: E402
from app.families.base import Family  # noqa: E402
from app.models.manifest import Manifest  # noqa: E402
from app.weights.converting.convert import quantize  # noqa: E402
from app.weights.formats.adapter_folder import check_adapter_for_gguf  # noqa: E402
from app.weights.formats.gguf import read_header  # noqa: E402
from tests.support import tiny_models  # noqa: E402

pytestmark = pytest.mark.anyio
IDS = list(range(5, 45))
TOKENS = 12
# What PEFT may make of a LoRA: other ranks, other factors, of single modules too.
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"r": 8, "lora_alpha": 16},
    "rslora": {"r": 4, "lora_alpha": 6, "use_rslora": True},
    "patterns": {"r": 8, "lora_alpha": 16},
}
PATTERNS: dict[str, dict[str, Any]] = {
    "bloom": {"alpha_pattern": {"dense": 5, "h.0.mlp.dense_h_to_4h": 30}, "rank_pattern": {"query_key_value": 3}},
    "others": {"alpha_pattern": {"down_proj": 3, "layers.1.self_attn.q_proj": 40}, "rank_pattern": {"k_proj": 2}},
}


@dataclass
class Subject:
    """A model in llama.cpp, and PEFT's idea of it with each adapter (``None``: without one)."""

    engine: LlamaCppEngine
    merged: dict[str | None, Any]


def trained(base: Path, folder: Path, seed: int, options: dict[str, Any]) -> Any:
    """Save an adapter in `folder`; the model with it merged."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    wanted = peft.LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear", **options)
    model = peft.get_peft_model(model, wanted)
    torch.manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.15)
    model.save_pretrained(folder)
    return model.merge_and_unload().eval()


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=["llama", "qwen2", "qwen3", "bloom"])
async def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Subject]:
    folder = tmp_path_factory.mktemp(request.param)
    base = getattr(tiny_models, f"tiny_{request.param}")(folder / "base")
    weights = quantize(base, "f32", lambda _: None, lambda: False)
    merged: dict[str | None, Any] = {None: AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()}
    for seed, (name, options) in enumerate(KINDS.items()):
        if name == "patterns":
            options = options | PATTERNS["bloom" if request.param == "bloom" else "others"]
        merged[name] = trained(base, folder / name, seed, options)
        check_adapter_for_gguf(folder / name, read_header(weights))
    plan = LoadPlan(
        manifest=Manifest(id="tiny", title="Tiny", family="native", engine="llama_cpp"),
        family=Family("native", "Native", None),
        weights=weights,
        context_tokens=128,
        slots=2,
        threads=1,
        adapters={name: folder / name for name in KINDS},
        cache_dir=folder / "cache",
    )
    engine = LlamaCppEngine(plan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(llama_cpp, "_MODULE", "tests.support.exact_llama_worker")
        await engine.start()
    yield Subject(engine, merged)
    await engine.stop()


@pytest.mark.parametrize("name", [None, *KINDS])
async def test_it_computes_what_peft_computes(subject: Subject, name: str | None) -> None:
    body = {"prompt": IDS, "n_predict": TOKENS, "temperature": 0, "n_probs": 40, "return_tokens": True}
    answer: Any = await subject.engine._client.post(
        "/completion", {**body, "ignore_eos": True, **subject.engine._adapter_scales(name)}
    )
    expected = greedy(subject.merged[name])
    assert answer["tokens"] == [token for token, _ in expected]
    compared = 0
    steps = iter(expected)
    for entry in answer["completion_probabilities"]:  # a token that is a part of a character has none
        likely = next(step for token, step in steps if token == entry["id"])
        for choice in entry["top_logprobs"]:
            if likely[choice["id"]] > -15:
                assert choice["logprob"] == pytest.approx(float(likely[choice["id"]]), abs=1e-3)
                compared += 1
    assert compared > 40
    others = [greedy(model)[0][1] for other, model in subject.merged.items() if other != name]
    assert all((expected[0][1] - other).abs().max() > 0.1 for other in others)


def greedy(model: Any) -> list[tuple[int, Any]]:
    """The likeliest tokens one after the other, each with the log-probabilities of all that could stand there."""
    ids = list(IDS)
    found = []
    for _ in range(TOKENS):
        with torch.no_grad():
            likely = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        ids.append(int(likely.argmax()))
        found.append((ids[-1], likely))
    return found
