"""The architecture against the original's answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("transformers", reason="the torch extra is not installed")

from safetensors.torch import load_file  # noqa: E402
from transformers import AutoModelForCausalLM, DynamicCache  # noqa: E402
from transformers.generation.streamers import BaseStreamer  # noqa: E402

from app.families.chatglm import ChatGLMConfig  # noqa: E402
from app.families.chatglm.positions import token_positions, visible  # noqa: E402
from tests.torch.chatglm.golden import TOLERANCE, Case, fresh, golden, listed, listed_cases, model, tensors  # noqa: E402
from tests.torch.rounding import assert_same  # noqa: E402

# Where the original contradicts itself; our choice is in app/families/chatglm/positions.py.
OTHER_POSITIONS = {("base", "batch_tokenizer_positions"), ("one_dim_positions", "with_answer")}


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize(("folder", "name"), listed_cases())
def test_logits_are_the_originals(folder: str, name: str, attention: str) -> None:
    its = model(folder, attention)
    case = Case(folder, name)
    with torch.no_grad():
        output = its(
            case.ids,
            attention_mask=case.real.long(),
            positions=case.positions,
            output_hidden_states=True,
            use_cache=False,
        )
    assert its.config._attn_implementation == attention
    assert case.largest_difference(output.logits) < TOLERANCE
    if "hidden_states" in case.fields:
        torch.testing.assert_close(
            torch.stack(output.hidden_states), case.fields["hidden_states"], atol=TOLERANCE, rtol=0
        )


@pytest.mark.parametrize(("folder", "name"), listed_cases(("base", "untied", "one_dim_positions")))
def test_masks_and_positions_follow_from_the_ids(folder: str, name: str) -> None:
    case = Case(folder, name)
    config = model(folder).config
    seen = visible(case.ids, case.real, config)
    assert seen.any(-1).all()  # no row without a key: softmax would have no answer for it
    assert torch.equal(seen[:, 0][case.real], case.visible[:, 0][case.real])
    ours = token_positions(case.ids, case.real, config)
    golden_positions = case.positions if config.position_encoding_2d else case.positions[:, None]
    same = torch.equal(ours[:, : golden_positions.shape[1]], golden_positions)
    assert same is ((folder, name) not in OTHER_POSITIONS)


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize(("folder", "name"), listed_cases())
def test_greedy_replies_are_the_originals(folder: str, name: str, use_cache: bool) -> None:
    case = Case(folder, name)
    if "greedy_cached" not in case.fields:
        assert name.startswith(("with_answer", "batch_"))  # the cases that are forwards only
        return
    expected = case.fields["greedy_cached"]  # without a cache, too: see positions.py
    output = model(folder).generate(
        case.ids,
        attention_mask=case.real.long(),
        max_new_tokens=expected.shape[1],
        do_sample=False,
        use_cache=use_cache,
        output_logits=True,
        return_dict_in_generate=True,
    )
    assert output.sequences[:, case.ids.shape[1] :].tolist() == expected.tolist()
    unfinished = expected != model(folder).config.pad_token_id  # what follows an end is not meaningful
    logits, scores = torch.stack(output.logits, dim=1), case.fields["greedy_cached_scores"]
    assert (logits - scores)[unfinished].abs().max() < TOLERANCE


def test_the_original_contradicts_itself_in_one_case() -> None:
    case = Case("one_dim_positions", "gmask_single")
    assert not torch.equal(case.fields["greedy_cached"], case.fields["greedy_uncached"])


class Yields(BaseStreamer):
    """What a streaming caller has seen, step by step."""

    def __init__(self) -> None:
        self.steps: list[list[int]] = []
        self.prompt_seen = False

    def put(self, value: Any) -> None:
        if self.prompt_seen:
            self.steps.append([*(self.steps[-1] if self.steps else []), int(value)])
        self.prompt_seen = True

    def end(self) -> None:
        pass


@pytest.mark.parametrize("name", ["length_limit", "eos"])
def test_streaming_gives_every_token(name: str) -> None:
    """The original's stream keeps the last token back, be it eos or the one at the limit; ours does not."""
    stream = listed("base/cases.json")["stream_generate"][name]
    streamer = Yields()
    model("base").generate(
        torch.tensor([stream["input_ids"]]), max_length=stream["max_length"], do_sample=False, streamer=streamer
    )
    assert streamer.steps[:-1] == stream["yields"]
    assert streamer.steps[-1] == stream["generate"]


def test_rotary_tables_are_the_originals() -> None:
    """Frequencies are rounded to half precision; the tables hold one rotated half, twice side by side."""
    golden_tables = tensors("base/cases.safetensors")
    places = torch.arange(len(golden_tables["rotary.cos"]))
    cos, sin = model("base").transformer._rotary(torch.stack((places, places))[None], torch.float32)
    width = golden_tables["rotary.cos"].shape[1]
    torch.testing.assert_close(cos[0, :, 0, 0, :width], golden_tables["rotary.cos"], atol=1e-6, rtol=0)
    torch.testing.assert_close(sin[0, :, 0, 0, :width].abs(), golden_tables["rotary.sin"].abs(), atol=1e-6, rtol=0)
    unrounded = 10_000.0 ** (-torch.arange(width // 2) * 2 / width)
    assert not torch.equal(golden_tables["rotary.inv_freq"].float(), unrounded)


@pytest.mark.parametrize("folder", ["prefix_tuning", "prefix_tuning_projected"])
def test_the_prefix_is_the_originals(folder: str) -> None:
    expected = tensors(f"{folder}/cases.safetensors")["prefix_key_values"]  # [layers, 2, P, heads, d]
    layers = model(folder).transformer.prefix_encoder()
    ours = torch.stack([torch.stack(layer) for layer in layers]).transpose(2, 3)
    assert_same(ours, expected)


@pytest.mark.parametrize("folder", ["prefix_tuning", "prefix_tuning_projected"])
def test_a_prefix_of_another_file_in_a_slot(folder: str) -> None:
    """As an engine adapts a base: the prefix is the beginning of its cache, and the model knows of none."""
    path = golden(folder)
    name = "prefix_only.safetensors" if (path / "prefix_only.safetensors").exists() else "model.safetensors"
    part = "transformer.prefix_encoder."
    weights = {
        key.removeprefix(part): value.float() for key, value in load_file(path / name).items() if key.startswith(part)
    }
    its = fresh(folder, pre_seq_len=0).eval()
    case, cache = Case(folder, "gmask_single"), DynamicCache()
    ids = case.ids[0]
    prefix = its.prefix_key_values(weights)
    for layer, (keys, values) in enumerate(prefix):
        cache.update(keys[None], values[None], layer)
    mask = torch.nn.functional.pad(its.prompt_mask(ids), (prefix[0][0].shape[1], 0), value=True)
    logits = its(
        case.ids, positions=its.prompt_positions(ids)[None], attention_mask=mask[None, None], past_key_values=cache
    ).logits
    assert case.largest_difference(logits) < TOLERANCE


def test_a_prefix_for_another_model_is_refused() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        model("base").prefix_key_values({"embedding.weight": torch.zeros(8, 10)})
    with pytest.raises(KeyError):
        model("base").prefix_key_values({"weight": torch.zeros(8, 10)})


def test_half_precision_stays_as_near_as_the_original_does() -> None:
    case = Case("base", "gmask_single")
    original = (case.fields["logits_half_precision_run"].float() - case.logits).abs().max()
    halved = fresh(dtype=torch.float16).eval()(case.ids).logits
    assert halved.dtype == torch.float16
    assert (halved.float() - case.logits).abs().max() < 2 * original


def test_a_head_of_its_own_is_used_only_where_the_configuration_says_so(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    folder = golden("untied")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    weights = load_file(folder / "model.safetensors")
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    for tied in (True, False):
        (tmp_path / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": tied}), encoding="utf-8")
        loaded = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
        name = "transformer.word_embeddings.weight" if tied else "lm_head.weight"
        assert torch.equal(loaded.lm_head.weight, weights[name].float())


def test_shards_of_the_published_kind_load(tmp_path: Path) -> None:
    """PyTorch files with an index, in half precision, beside code that must not run."""
    weights = load_file(golden("base") / "model.safetensors")
    (tmp_path / "config.json").write_bytes((golden("base") / "config.json").read_bytes())
    names = sorted(weights)
    shards = {"pytorch_model-00001-of-00002.bin": names[::2], "pytorch_model-00002-of-00002.bin": names[1::2]}
    for file, members in shards.items():
        torch.save({name: weights[name] for name in members}, tmp_path / file)
    index = {"metadata": {}, "weight_map": {name: file for file, members in shards.items() for name in members}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index), encoding="utf-8")
    for module in ("configuration_chatglm", "modeling_chatglm"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('the code of a checkpoint ran')\n", encoding="utf-8")
    case = Case("base", "gmask_single")
    logits = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()(case.ids).logits
    assert case.largest_difference(logits) < TOLERANCE


@pytest.mark.parametrize("folder", ["base", "untied", "int8", "int4_embeddings", "prefix_tuning_projected"])
def test_saving_and_loading_keeps_names_and_numbers(folder: str, tmp_path: Path) -> None:
    saved = fresh(folder)
    saved.save_pretrained(tmp_path)
    tied = saved.config.tie_word_embeddings
    published = set(load_file(golden(folder) / "model.safetensors"))
    expected = {name for name in published if "inv_freq" not in name and not (tied and name.startswith("lm_head."))}
    assert set(load_file(tmp_path / "model.safetensors")) == expected
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    again = loaded.state_dict()
    assert again.keys() == saved.state_dict().keys()
    assert all(torch.equal(value, again[name]) for name, value in saved.state_dict().items())
    assert (loaded.lm_head.weight is loaded.transformer.word_embeddings.weight) is tied


@pytest.mark.parametrize("folder", ["base", "untied", "int8", "int4_embeddings", "prefix_tuning_projected"])
def test_every_key_of_a_checkpoint_is_used(folder: str) -> None:
    _, report = AutoModelForCausalLM.from_pretrained(golden(folder), output_loading_info=True)
    assert {name: keys for name, keys in report.items() if keys} == {}


def test_a_prompt_layer_by_layer() -> None:
    """As an engine reads it, and then one token at a time on its own positions."""
    its = model("base")
    case = Case("base", "gmask_middle")
    ids, cache = case.ids[0], DynamicCache()
    prefill = its.prefill_layers(ids[None], its.prompt_positions(ids)[None], its.prompt_mask(ids)[None, None], cache)
    pieces = 0
    while True:
        try:
            next(prefill)
            pieces += 1
        except StopIteration as end:
            logits = end.value
            break
    assert pieces == its.config.num_layers
    torch.testing.assert_close(logits, case.logits[:, -1], atol=TOLERANCE, rtol=0)
    positions, tokens = its.prompt_positions(ids), []
    for _ in range(8):
        tokens.append(int(logits.argmax()))
        positions = its.next_positions(positions)
        step = its(torch.tensor([tokens[-1:]]), positions=positions[None], past_key_values=cache, use_cache=True)
        logits = step.logits[:, -1]
    assert tokens == case.fields["greedy_cached"][0, :8].tolist()


def test_next_positions_in_one_dimension_are_those_of_the_mask_token() -> None:
    its = model("one_dim_positions")
    ids = Case("one_dim_positions", "gmask_single").ids[0]
    place = ids.tolist().index(its.config.gmask_token_id)
    first = its.next_positions(its.prompt_positions(ids))
    assert first[0].tolist() == its.next_positions(first)[0].tolist() == [place]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"position_ids": torch.zeros(1, 3)}, "two rows"),
        ({"input_ids": None, "inputs_embeds": torch.zeros(1, 3, 64)}, "whole sequence of ids"),
    ],
)
def test_positions_are_not_guessed(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model("base")(**{"input_ids": torch.tensor([[5, 201, 204]]), **given})


def test_later_tokens_need_positions() -> None:
    cache = DynamicCache()
    model("base")(torch.tensor([[5, 201, 204]]), past_key_values=cache, use_cache=True)
    with pytest.raises(ValueError, match="whole sequence of ids"):
        model("base")(torch.tensor([[7]]), past_key_values=cache, use_cache=True)


def test_the_configuration_of_the_oldest_checkpoints() -> None:
    """150528 pieces: 20000 ids for images stand before the text, and its file names no special ids."""
    old = ChatGLMConfig(vocab_size=150_528)
    assert (old.mask_token_id, old.gmask_token_id, old.bos_token_id, old.eos_token_id, old.pad_token_id) == (
        150_000,
        150_001,
        150_004,
        150_005,
        20_003,
    )
    assert ChatGLMConfig(vocab_size=150_528, pad_token_id=3).pad_token_id == 3
    new = ChatGLMConfig()
    assert (new.mask_token_id, new.bos_token_id, new.pad_token_id) == (130_000, 130_004, 3)
    assert (new.num_hidden_layers, new.intermediate_size, new.max_position_embeddings) == (28, 16_384, 2048)


@pytest.mark.parametrize(
    ("changes", "message"), [({"quantization_bit": 2}, "0, 4 or 8"), ({"hidden_size": 70}, "divisible")]
)
def test_shapes_that_no_checkpoint_has_are_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChatGLMConfig(**changes)
