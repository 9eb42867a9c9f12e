"""Each row's own filters, against what the original ChatGLM code and transformers' own processors give."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra torch")

from safetensors.torch import load_file  # noqa: E402
from transformers import (  # noqa: E402
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from app.domain.sampling import SamplingParams  # noqa: E402
from app.engine.torch.sampling import Row, candidates, sample  # noqa: E402

GOLDEN = Path(__file__).parents[2] / "golden" / "chatglm" / "sampling"
SETTINGS = json.loads((GOLDEN / "sampling.json").read_text(encoding="utf-8"))
OFF = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0}


def params(**changes: Any) -> SamplingParams:
    return SamplingParams(**(OFF | {"seed": 1} | changes))


def spread(ids: Any, weights: Any, vocabulary: int) -> Any:
    """Candidates as probabilities of the whole vocabulary."""
    return torch.zeros(len(ids), vocabulary).scatter_(1, ids, weights)


def noise(rows: int, vocabulary: int = 1000, scale: float = 3.0, seed: int = 0) -> Any:
    return torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(seed)) * scale


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting["name"])
def test_filters_are_those_of_the_original(setting: dict[str, Any]) -> None:
    stored = load_file(GOLDEN / "sampling.safetensors")
    logits, wanted = stored["logits"], stored[f"{setting['name']}.probabilities"]
    wanted_params = params(**{key: setting[key] for key in ("top_p", "temperature", "top_k")})
    found = spread(*candidates(logits, [wanted_params] * len(logits)), logits.shape[1])
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)
    assert (found > 0).sum(-1).tolist() == setting["kept"]


@pytest.mark.parametrize("top_k", [0, 7, 400])
def test_rows_with_different_parameters_are_each_as_alone_with_transformers(top_k: int) -> None:
    logits = noise(4)
    mixed = [
        params(temperature=0.3, top_p=0.5, top_k=top_k and top_k + 1),
        params(temperature=1.7, top_p=0.999, top_k=top_k, min_p=0.01),
        params(top_k=top_k and 1),
        params(temperature=2.0, min_p=0.3, top_k=top_k),
    ]
    found = spread(*candidates(logits, mixed), 1000)
    for scores, given, row in zip(logits, mixed, found, strict=True):
        processors = [
            TemperatureLogitsWarper(given.temperature),
            *([TopKLogitsWarper(given.top_k)] if given.top_k else []),
            *([TopPLogitsWarper(given.top_p)] if given.top_p < 1 else []),
            *([MinPLogitsWarper(given.min_p)] if given.min_p else []),
        ]
        filtered = scores[None]
        for process in processors:
            filtered = process(torch.zeros(1, 1, dtype=torch.long), filtered)
        torch.testing.assert_close(row, filtered.softmax(-1)[0], atol=1e-6, rtol=1e-4)


def test_a_flat_distribution_needs_more_candidates_than_the_first() -> None:
    logits = noise(2, scale=0.01)
    found = spread(*candidates(logits, [params(top_p=0.9), params(top_p=0.1)]), 1000)
    assert 880 < int((found[0] > 0).sum()) < 910
    assert 90 < int((found[1] > 0).sum()) < 110


def test_the_repetition_penalty_is_transformers_and_counts_the_reply_too() -> None:
    prompt = [5, 6, 6, 9]
    row = Row(params(temperature=0.0, repetition_penalty=1.8), prompt, ())
    seen = list(prompt)
    for step in range(12):
        scores = noise(1, vocabulary=12, scale=1.0, seed=step)
        wanted = RepetitionPenaltyLogitsProcessor(1.8)(torch.tensor([seen]), scores.clone()).argmax(-1)
        before = scores.clone()
        assert sample(scores, [row]) == wanted.tolist()
        assert torch.equal(scores, before)
        seen += wanted.tolist()


def test_temperature_0_takes_the_likeliest_and_its_neighbours_draw() -> None:
    logits = noise(3)
    rows = [Row(params(temperature=t, seed=3), (), ()) for t in (0.0, 1.0, 0.0)]
    chosen = sample(logits, rows)
    assert chosen[0] == int(logits[0].argmax())
    assert chosen[2] == int(logits[2].argmax())


def test_a_seed_draws_the_same_whoever_else_is_in_the_batch() -> None:
    logits = noise(3)
    given = params(temperature=1.5, top_k=40, seed=77)
    alone, beside = Row(given, (), ()), Row(given, (), ())
    others = [Row(params(top_k=900, seed=4), (), ()), Row(params(top_p=0.5, seed=5), (), ())]
    for _ in range(20):
        (single,) = sample(logits[:1], [alone])
        assert sample(logits, [beside, *others])[0] == single


def test_draws_follow_the_probabilities() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0, -torch.inf, 0.5]])
    row = Row(params(seed=9), (), ())
    counts = Counter(sample(logits, [row])[0] for _ in range(4000))
    wanted = logits.softmax(-1)[0].tolist()
    assert 3 not in counts
    for token, probability in enumerate(wanted):
        assert abs(counts[token] / 4000 - probability) < 0.03


def test_without_an_end_there_is_none() -> None:
    logits = torch.zeros(2, 10)
    logits[:, 4] = 50.0
    rows = [Row(params(ignore_eos=ignore), (), (4,)) for ignore in (True, False)]
    banned, free = sample(logits, rows)
    assert banned != 4
    assert free == 4


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_row_that_is_no_numbers_gets_no_token_and_the_others_do(poison: float, temperature: float) -> None:
    logits = noise(3)
    logits[1, 17] = poison
    chosen = sample(logits, [Row(params(temperature=temperature), (), ()) for _ in range(3)])
    assert chosen[1] is None
    assert None not in (chosen[0], chosen[2])


def test_extreme_parameters_still_give_a_token() -> None:
    logits = noise(4)
    rows = [
        Row(params(temperature=1e-300), (), ()),
        Row(params(repetition_penalty=1e-300), range(1000), ()),
        Row(params(top_p=1e-300, top_k=100_000), (), ()),
        Row(params(min_p=1.0), (), ()),
    ]
    chosen = sample(logits, rows)
    assert all(token is not None and 0 <= token < 1000 for token in chosen)
    assert [chosen[n] for n in (0, 2, 3)] == [int(logits[n].argmax()) for n in (0, 2, 3)]


def test_bfloat16_logits_will_do() -> None:
    logits = noise(2).bfloat16()
    rows = [Row(params(temperature=t, top_k=5, repetition_penalty=1.1), (3, 4), ()) for t in (0.0, 0.8)]
    assert all(token is not None for token in sample(logits, rows))
