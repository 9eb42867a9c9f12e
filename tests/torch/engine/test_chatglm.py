"""ChatGLM of both architectures in the batch: what the original says, several at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra torch")

from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

import app.families.chatglm  # noqa: E402, F401  (makes the architectures known)
from app.domain.sampling import SamplingParams  # noqa: E402
from app.engine.torch.adapters import attach  # noqa: E402
from app.engine.torch.sequences import GenerationJob  # noqa: E402
from tests.torch.engine import tiny  # noqa: E402
from tests.torch.engine.tiny import Batch, Loaded  # noqa: E402

GOLDEN = Path(__file__).parents[2] / "golden"
# 1D with [gMASK]: the original's cached generation is what ours is, see its README
FOLDERS = ["chatglm/base", "chatglm/one_dim_positions", "chatglm/untied", "chatglm2/base"]
_WORDS = tiny.tokenizer()


def model(folder: str) -> Any:
    return AutoModelForCausalLM.from_pretrained(GOLDEN / folder, dtype=torch.float32).eval()


def batch(loaded: Any, **sizes: int) -> Batch:
    ends = loaded.config.eos_token_id
    return Batch(Loaded(loaded, _WORDS, frozenset(ends if isinstance(ends, list) else [ends])), **sizes)


def cases(folder: str) -> list[tuple[list[int], list[int]]]:
    """Prompts of one row and what follows them."""
    stored = load_file(GOLDEN / folder / "cases.safetensors")
    names = [name.removesuffix(".greedy_cached") for name in stored if name.endswith(".greedy_cached")]
    rows = [(stored[f"{name}.input_ids"], stored[f"{name}.greedy_cached"]) for name in sorted(names)]
    return [(ids[0].tolist(), said[0].tolist()) for ids, said in rows if len(ids) == 1]


def jobs_of(wanted: list[tuple[list[int], list[int]]]) -> list[GenerationJob]:
    greedy = [SamplingParams(temperature=0.0, max_new_tokens=len(said), seed=0) for _, said in wanted]
    return [GenerationJob(n, ids, params) for n, ((ids, _), params) in enumerate(zip(wanted, greedy, strict=True))]


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("n_slots", [1, 3, 16])
def test_greedy_is_the_originals(folder: str, n_slots: int) -> None:
    wanted = cases(folder)
    assert len(wanted) >= 2
    together = batch(model(folder), n_slots=n_slots)
    together.run(*jobs_of(wanted))
    for number, (_, said) in enumerate(wanted):
        assert together.tokens[number] == said


def test_a_prompt_seen_both_ways_is_never_reused() -> None:
    (ids, said), *_ = cases("chatglm/base")
    together = batch(model("chatglm/base"), n_slots=1)
    for number in range(2):
        together.run(GenerationJob(number, ids, SamplingParams(temperature=0.0, max_new_tokens=len(said), seed=0)))
        assert together.tokens[number] == said
        assert together.of(number)[0].cached_tokens == 0


@pytest.mark.usefixtures("piece_by_piece")
def test_others_speak_between_two_layers_of_a_prompt() -> None:
    wanted = cases("chatglm/base")
    loaded = model("chatglm/base")
    together = batch(loaded, n_slots=2)
    first, second = jobs_of(sorted(wanted, key=lambda case: len(case[0])))[:: len(wanted) - 1]
    together.scheduler.submit(first)
    while not together.of(first.id):
        together.scheduler.step()
    together.scheduler.submit(second)
    spoken = len(together.of(first.id))
    while not together.of(second.id):
        together.scheduler.step()
    assert len(together.of(first.id)) - spoken >= loaded.config.num_layers
    together.run()


@pytest.mark.usefixtures("piece_by_piece")
def test_cancelling_while_a_prompt_is_read_takes_one_step() -> None:
    wanted = cases("chatglm/base")
    together = batch(model("chatglm/base"), n_slots=1)
    first, second, *_ = jobs_of(wanted)
    together.scheduler.submit(first)
    together.scheduler.step()
    together.scheduler.cancel(first.id)
    together.scheduler.step()
    assert together.scheduler.busy == 0
    together.run(second)
    assert together.tokens[second.id] == wanted[1][1]
    assert first.id not in together.tokens


def test_a_prefix_of_the_checkpoints_own_stands_before_every_prompt() -> None:
    folder = "chatglm/prefix_tuning_projected"
    wanted = cases(folder)
    assert wanted
    loaded = model(folder)
    ends = frozenset([loaded.config.eos_token_id])
    adapters = attach(loaded, {}, torch.float32)
    together = Batch(Loaded(loaded, _WORDS, ends, adapters), n_slots=3)
    together.run(*jobs_of(wanted * 2))
    for number, (_, said) in enumerate(wanted * 2):
        assert together.tokens[number] == said


def test_a_prefix_beside_the_base_and_others_in_one_batch(tmp_path: Path) -> None:
    """The base is the prefix-tuned checkpoint without its prefix: each row has what its adapter says, and no more."""
    folder = "chatglm/prefix_tuning_projected"
    stored = load_file(GOLDEN / folder / "model.safetensors")
    (tmp_path / "mine").mkdir()
    prefix = {name: tensor for name, tensor in stored.items() if "prefix_encoder" in name}
    save_file(prefix, tmp_path / "mine" / "model.safetensors")
    tuned = cases(folder)
    base = AutoModelForCausalLM.from_pretrained(GOLDEN / folder, dtype=torch.float32, pre_seq_len=None).eval()
    ends = frozenset([base.config.eos_token_id])
    base.prefix_key_values = model(folder).prefix_key_values
    adapters = attach(base, {"mine": tmp_path / "mine"}, torch.float32)
    together = Batch(Loaded(base, _WORDS, ends, adapters), n_slots=4)
    without = [replace(each, id=100 + each.id) for each in jobs_of(tuned)]
    together.run(*(replace(each, adapter="mine") for each in jobs_of(tuned)), *without)
    alone = Batch(Loaded(base, _WORDS, ends, adapters), n_slots=1)
    alone.run(*without)
    for number, (_, said) in enumerate(tuned):
        assert together.tokens[number] == said
        assert together.tokens[100 + number] == alone.tokens[100 + number] != said
