"""Many requests in one batch, each as if it were alone."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra torch")

from app.domain.sampling import SamplingParams  # noqa: E402
from app.engine.torch.sequences import GenerationJob, PrefillPace  # noqa: E402
from tests.torch.engine import tiny  # noqa: E402
from tests.torch.engine.tiny import Batch, Loaded  # noqa: E402

WORDS = tiny.tokenizer()
VOCABULARY = len(WORDS)
NEW = 20


def job(number: int, ids: list[int], adapter: str | None = None, **changes: Any) -> GenerationJob:
    wanted = {"temperature": 0.0, "max_new_tokens": NEW, "seed": number, "ignore_eos": True, **changes}
    return GenerationJob(number, ids, SamplingParams(**wanted), adapter)


def prompt(n_tokens: int, seed: int = 0) -> list[int]:
    chance = random.Random(seed * 1000 + n_tokens)
    return [chance.randrange(2, VOCABULARY) for _ in range(n_tokens)]


def batch(**changes: Any) -> Batch:
    sizes = {name: changes.pop(name) for name in ("n_slots", "context_tokens") if name in changes}
    return Batch(Loaded(tiny.llama(vocabulary=VOCABULARY, **changes), WORDS), **sizes)


def generated(ids: list[int], n_new: int = NEW, **changes: Any) -> list[int]:
    """What transformers says, alone."""
    model = tiny.llama(vocabulary=VOCABULARY, **changes)
    out = model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        max_new_tokens=n_new,
        do_sample=False,
        suppress_tokens=[1],
        pad_token_id=1,
    )
    return out[0, len(ids) :].tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("n_slots", [8, 3])
def test_greedy_in_a_batch_is_greedy_alone(kv_heads: int, n_slots: int) -> None:
    prompts = [prompt(n) for n in (5, 40, 1, 300, 17, 129, 128)]
    together = batch(kv_heads=kv_heads, n_slots=n_slots)
    together.run(*(job(n, ids) for n, ids in enumerate(prompts)))
    for number, ids in enumerate(prompts):
        assert together.tokens[number] == generated(ids, kv_heads=kv_heads)
        assert together.end(number).end == "length"
        assert sum(news.n_tokens for news in together.of(number)) == NEW


def test_requests_that_come_and_go_between_steps_change_nothing() -> None:
    together, chance = batch(n_slots=3), random.Random(5)
    jobs = [job(n, prompt(chance.randrange(1, 200), seed=n), max_new_tokens=chance.randrange(1, 30)) for n in range(12)]
    for each in jobs:
        together.scheduler.submit(each)
        for _ in range(chance.randrange(8)):
            together.scheduler.step()
    together.run()
    for each in jobs:
        assert together.tokens[each.id] == generated(each.ids, each.params.max_new_tokens)


def test_a_sliding_window_is_kept_to() -> None:
    from transformers import MistralConfig, MistralForCausalLM

    def mistral() -> Any:
        torch.manual_seed(1)
        sizes = {"vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
        heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.2, "sliding_window": 24}
        return MistralForCausalLM(MistralConfig(**sizes, **heads)).eval()

    together = Batch(Loaded(mistral(), WORDS), n_slots=4)
    prompts = [prompt(n) for n in (3, 20, 23, 150)]
    together.run(*(job(n, ids, max_new_tokens=30) for n, ids in enumerate(prompts)))
    for number, ids in enumerate(prompts):
        alone = mistral().generate(torch.tensor([ids]), max_new_tokens=30, do_sample=False, suppress_tokens=[1])
        assert together.tokens[number] == alone[0, len(ids) :].tolist()


def test_a_mixture_of_parameters_gives_each_what_it_gets_alone() -> None:
    wanted: list[dict[str, Any]] = [
        {},
        {"temperature": 1.3, "top_k": 40, "top_p": 0.9},
        {"temperature": 0.8, "top_k": 0, "top_p": 0.7, "min_p": 0.02},
        {"repetition_penalty": 1.6},
        {"temperature": 1.0, "top_k": 5, "repetition_penalty": 1.2},
    ]
    together = batch(n_slots=5)
    together.run(*(job(n, prompt(30 + n), **changes) for n, changes in enumerate(wanted)))
    for number, changes in enumerate(wanted):
        alone = batch()
        alone.run(job(number, prompt(30 + number), **changes))
        assert together.tokens[number] == alone.tokens[number]
    assert len({tuple(tokens) for tokens in together.tokens.values()}) == len(wanted)


def test_all_news_of_a_step_come_at_once() -> None:
    together = batch(n_slots=4)
    together.run(*(job(n, prompt(4, seed=n)) for n in range(4)))
    full = [step for step in together.outputs if len(step) == 4]
    assert len(full) >= NEW - 5
    assert all(len({output.id for output in step}) == len(step) for step in together.outputs)


@pytest.mark.usefixtures("piece_by_piece")
def test_a_long_prompt_lets_others_speak_between_its_pieces() -> None:
    together = batch(n_slots=2, context_tokens=1500)
    together.scheduler.submit(job(0, prompt(3), max_new_tokens=400))
    together.scheduler.step()
    together.scheduler.submit(job(1, prompt(1000)))
    spoken = len(together.of(0))
    steps = 0
    while not together.of(1):
        together.scheduler.step()
        steps += 1
        assert len(together.of(0)) == spoken + steps
    assert steps >= 1000 / 128
    together.run()
    assert together.tokens[1] == generated(prompt(1000))


@pytest.mark.usefixtures("piece_by_piece")
def test_a_short_prompt_goes_before_the_rest_of_a_long_one() -> None:
    together = batch(n_slots=2, context_tokens=1500)
    together.scheduler.submit(job(0, prompt(1200)))
    together.scheduler.step()
    together.scheduler.submit(job(1, prompt(10)))
    together.scheduler.step()
    assert together.of(1)
    assert not together.of(0)


def test_chunks_are_smaller_while_others_wait_for_a_slow_model() -> None:
    pace = PrefillPace()
    pace.begin()
    pace._began -= 4.0
    pace.end(128)  # 32 tokens/s
    assert pace.chunk() == 128
    pace.others_wait = True
    assert pace.chunk() == 16
    pace.begin()
    pace._began -= 0.1
    pace.end(32)  # 320 tokens/s
    assert pace.chunk() == 64


def test_the_end_token_ends_and_is_counted_and_not_shown() -> None:
    ids = prompt(9)
    ends = generated(ids)[6]
    loaded = Loaded(tiny.llama(vocabulary=VOCABULARY), WORDS, eos_ids=frozenset({1, ends}))
    together = Batch(loaded)
    together.run(job(0, ids, ignore_eos=False, max_new_tokens=50))
    first = together.tokens[0].index(ends)
    assert together.end(0).end == "stop"
    assert sum(news.n_tokens for news in together.of(0)) == first + 1
    assert together.text(0) == WORDS.decode(together.tokens[0][:first], skip_special_tokens=True).rstrip("\ufffd")


def test_a_full_context_ends_the_reply() -> None:
    together = batch(n_slots=1, context_tokens=64)
    together.run(job(0, prompt(50), max_new_tokens=500))
    assert together.end(0).end == "length"
    assert len(together.tokens[0]) == 14
    together.run(job(1, prompt(63), max_new_tokens=500))
    assert len(together.tokens[1]) == 1
    together.run(job(2, prompt(64)), job(3, []))
    assert [together.end(n).end for n in (2, 3)] == ["error", "error"]


def test_the_next_turn_reads_only_what_is_new() -> None:
    together = batch(n_slots=2, context_tokens=1024)
    first = prompt(200)
    together.run(job(0, first))
    second = first + together.tokens[0] + prompt(15)
    together.run(job(1, prompt(150, seed=2)), job(2, second))
    assert together.of(2)[0].cached_tokens == 200 + NEW - 1
    assert together.tokens[2] == generated(second)
    assert together.of(1)[0].cached_tokens == 0
    again = batch(n_slots=1, context_tokens=1024)
    again.run(job(0, first))
    again.run(job(1, first))
    assert again.of(1)[0].cached_tokens == 199  # one is read again: its logits are needed
    assert again.tokens[1] == again.tokens[0]


def test_a_common_beginning_is_copied_from_a_busy_slot() -> None:
    together = batch(n_slots=2)
    system = prompt(60)
    together.scheduler.submit(job(0, system + prompt(5, seed=1), max_new_tokens=40))
    for _ in range(3):
        together.scheduler.step()
    together.run(job(1, system + prompt(7, seed=2)))
    assert together.of(1)[0].cached_tokens == 60
    assert together.tokens[1] == generated(system + prompt(7, seed=2))
    assert together.tokens[0] == generated(system + prompt(5, seed=1), 40)


def test_a_conversations_slot_is_left_to_it_while_another_is_free() -> None:
    together = batch(n_slots=2, context_tokens=1024)
    system = prompt(20)
    long = system + prompt(300)
    together.run(job(0, long))
    together.run(job(1, system + prompt(5, seed=3)))
    together.run(job(2, long + together.tokens[0]))
    assert together.of(1)[0].cached_tokens == 20
    assert together.of(2)[0].cached_tokens >= 300


@pytest.fixture
def two_loras(tmp_path: Path) -> dict[str, Path]:
    peft = pytest.importorskip("peft", reason="needs the extra torch")
    folders = {}
    for seed, name in enumerate(("formal", "casual")):
        config = peft.LoraConfig(
            r=4, lora_alpha=16, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM"
        )
        tuned = peft.get_peft_model(tiny.llama(vocabulary=VOCABULARY), config)
        torch.manual_seed(seed)
        for weight_name, weight in tuned.named_parameters():
            if "lora_" in weight_name:
                weight.data.normal_(std=0.3)
        tuned.save_pretrained(tmp_path / name)
        folders[name] = tmp_path / name
    return folders


def test_adapters_share_a_batch_and_nothing_else(two_loras: dict[str, Path]) -> None:
    from app.engine.torch.adapters import attach

    def with_adapters() -> Batch:
        model = tiny.llama(vocabulary=VOCABULARY)
        return Batch(Loaded(model, WORDS, adapters=attach(model, two_loras, torch.float32)), n_slots=6)

    names = [None, "formal", "casual"] * 2
    together = with_adapters()
    together.run(*(job(n, prompt(20 + n % 3), adapter=name) for n, name in enumerate(names)))
    assert together.tokens[0] == generated(prompt(20))
    for number in (1, 2):
        alone = with_adapters()
        alone.run(job(0, prompt(20 + number), adapter=names[number]))
        assert together.tokens[number] == together.tokens[number + 3] == alone.tokens[0]
        assert together.tokens[number] != generated(prompt(20 + number))
    # keys that one adapter made are of no use to another
    together.run(job(10, prompt(21), adapter="casual"))
    assert together.of(10)[0].cached_tokens == 0
    together.run(job(11, prompt(21), adapter="formal"))
    assert together.of(11)[0].cached_tokens == 20
    assert together.tokens[11] == together.tokens[1]
