"""The architecture against the original's answers, and in every way that an engine or a trainer calls it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("transformers", reason="the torch extra is not installed")

from transformers import (  # noqa: E402
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    DynamicCache,
)
from transformers.generation.streamers import BaseStreamer  # noqa: E402

from app.families.chatglm2.attention import positions_of  # noqa: E402
from app.families.chatglm2.configuration import ChatGLM2Config  # noqa: E402
from tests.torch.chatglm2.golden import CASES, GOLDEN, TOLERANCE, case_tensors, fresh, listed, model  # noqa: E402


def close(given: Any, expected: Any) -> None:
    torch.testing.assert_close(given, expected, atol=TOLERANCE, rtol=0)


@pytest.fixture
def prompt() -> Any:
    return case_tensors("base", "single_long")["input_ids"]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize(("folder", "case"), CASES)
def test_logits_are_the_originals(folder: str, case: str, attention: str) -> None:
    golden = case_tensors(folder, case)
    its = fresh(folder, attn_implementation=attention).eval()
    with torch.no_grad():
        output = its(golden["input_ids"], attention_mask=golden["attention_mask"], output_hidden_states=True)
    assert its.config._attn_implementation == attention
    # Rows of padding included: like the original, they see everything.
    close(output.logits, golden["logits"])
    if "hidden_states" in golden:
        close(torch.stack(output.hidden_states), golden["hidden_states"])


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize(("folder", "case"), CASES)
def test_greedy_replies_are_the_originals(folder: str, case: str, use_cache: bool) -> None:
    golden = case_tensors(folder, case)
    length = golden["input_ids"].shape[1]
    output = model(folder).generate(
        golden["input_ids"],
        attention_mask=golden["attention_mask"],
        max_new_tokens=golden["greedy_cached"].shape[1],
        do_sample=False,
        use_cache=use_cache,
        output_logits=True,
        return_dict_in_generate=True,
    )
    expected = golden["greedy_cached"] if use_cache else golden.get("greedy_uncached", golden["greedy_cached"])
    assert output.sequences[:, length:].tolist() == expected.tolist()
    close(torch.stack(output.logits, dim=1), golden["greedy_cached_scores"])


@pytest.mark.parametrize("case", [case for folder, case in CASES if folder == "base"])
def test_positions_start_at_the_first_real_token(case: str) -> None:
    golden = case_tensors("base", case)
    hidden = golden["input_ids"].unsqueeze(-1)
    assert positions_of(hidden, golden["attention_mask"], 0).tolist() == golden["position_ids"].tolist()


class Yields(BaseStreamer):
    def __init__(self) -> None:
        self.so_far: list[int] = []
        self.yields: list[list[int]] = []
        self.prompt_seen = False

    def put(self, value: Any) -> None:
        if self.prompt_seen:
            self.so_far.append(int(value))
            self.yields.append(list(self.so_far))
        self.prompt_seen = True

    def end(self) -> None:
        pass


@pytest.mark.parametrize("name", ["length_limit", "eos"])
def test_streaming_yields_every_step(name: str) -> None:
    golden = listed("base")["stream_generate"][name]
    streamer = Yields()
    model("base").generate(
        torch.tensor([golden["input_ids"]]), max_length=golden["max_length"], do_sample=False, streamer=streamer
    )
    assert streamer.yields == golden["yields"]


@pytest.mark.parametrize("way", [{"cache_implementation": "static"}, {"prompt_lookup_num_tokens": 3}])
def test_other_ways_to_generate_give_the_same(way: dict[str, Any]) -> None:
    golden = case_tensors("base", "single")
    output = model("base").generate(golden["input_ids"], max_new_tokens=24, do_sample=False, **way)
    assert output[:, 11:].tolist() == golden["greedy_cached"].tolist()


def test_right_padding_changes_nothing_but_the_padding() -> None:
    golden = case_tensors("base", "batch_left_padded")
    ids, mask = golden["input_ids"], golden["attention_mask"]
    right_ids, right_mask = torch.zeros_like(ids), torch.zeros_like(mask)
    for row, real in enumerate(mask.sum(1).tolist()):
        right_ids[row, :real] = ids[row, -real:]
        right_mask[row, :real] = 1
    logits = model("base")(right_ids, attention_mask=right_mask).logits
    close(logits[right_mask.bool()], golden["logits"][mask.bool()])


@pytest.mark.parametrize("explicit_mask", [True, False])
def test_a_prompt_read_in_pieces_gives_the_same_logits(prompt: Any, explicit_mask: bool) -> None:
    """As an engine reads it: its own positions and boolean mask, or neither."""
    cache = DynamicCache()
    length, parts = prompt.shape[1], []
    for start in range(0, length, 50):
        end = min(start + 50, length)
        given = {}
        if explicit_mask:
            visible = torch.ones(end - start, end, dtype=torch.bool).tril(start)[None, None]
            given = {"attention_mask": visible, "position_ids": torch.arange(start, end)[None]}
        parts.append(model("base")(prompt[:, start:end], past_key_values=cache, use_cache=True, **given).logits)
    close(torch.cat(parts, dim=1), case_tensors("base", "single_long")["logits"])
    assert cache.get_seq_length() == length
    # Only the shared key and value heads are kept, not one for each query head.
    assert cache.layers[0].keys.shape == (1, 2, length, 16)


def test_the_cache_goes_by_its_new_name_too(prompt: Any) -> None:
    first = model("base")(prompt[:, :50], use_cache=True)
    second = model("base")(prompt[:, 50:], cache=first.cache)
    close(second.logits, case_tensors("base", "single_long")["logits"][:, 50:])
    assert model("base")(prompt, use_cache=False).cache is None


def test_only_the_logits_asked_for_are_computed(prompt: Any) -> None:
    whole = model("base")(prompt).logits
    close(model("base")(prompt, logits_to_keep=2).logits, whole[:, -2:])
    close(model("base")(prompt, logits_to_keep=torch.tensor([3, 7])).logits, whole[:, [3, 7]])


def test_the_loss_is_that_of_the_next_token(prompt: Any) -> None:
    labels = prompt.clone()
    labels[:, :20] = -100
    output = model("base")(prompt, labels=labels)
    expected = torch.nn.functional.cross_entropy(output.logits[0, 19:-1], prompt[0, 20:])
    torch.testing.assert_close(output.loss, expected)


def test_checkpointed_gradients_are_the_same(prompt: Any) -> None:
    plain = fresh().train()
    plain(prompt, labels=prompt).loss.backward()
    checkpointed = fresh().train()
    checkpointed.activation_checkpointing_enable()
    checkpointed(prompt, labels=prompt).loss.backward()
    gradients = dict(checkpointed.named_parameters())
    for name, parameter in plain.named_parameters():
        assert parameter.grad is not None, name
        torch.testing.assert_close(gradients[name].grad, parameter.grad, msg=name)


@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float16, 0.02), (torch.bfloat16, 0.15)])
def test_half_precision_stays_near(prompt: Any, dtype: Any, allowed: float) -> None:
    logits = AutoModelForCausalLM.from_pretrained(GOLDEN / "base", dtype=dtype).eval()(prompt).logits
    assert logits.dtype == dtype
    assert (logits.float() - case_tensors("base", "single_long")["logits"]).abs().mean() < allowed


@pytest.mark.parametrize("folder", ["base", "int4", "int8"])
def test_saving_and_loading_keeps_names_and_numbers(folder: str, tmp_path: Path) -> None:
    model(folder).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    original = json.loads((GOLDEN / folder / "config.json").read_text(encoding="utf-8"))
    kept = original.keys() - {"auto_map", "torch_dtype", "architectures", "_name_or_path", "transformers_version"}
    assert {name: config.get(name) for name in kept & config.keys()} == {
        name: original[name] for name in kept & config.keys()
    }
    assert {"padded_vocab_size", "multi_query_group_num", "model_type"} <= kept & config.keys()
    from safetensors import safe_open

    with (
        safe_open(tmp_path / "model.safetensors", "pt") as saved,
        safe_open(GOLDEN / folder / "model.safetensors", "pt") as published,
    ):
        assert set(saved.keys()) == {name for name in published.keys() if "inv_freq" not in name}  # noqa: SIM118
    golden = case_tensors(folder, "single")
    again = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    close(again(golden["input_ids"]).logits, golden["logits"])


def test_every_key_of_a_checkpoint_is_used() -> None:
    for folder in ("base", "int4", "int8"):
        _, report = AutoModelForCausalLM.from_pretrained(GOLDEN / folder, output_loading_info=True)
        assert {name: keys for name, keys in report.items() if keys} == {}
    base, report = AutoModel.from_pretrained(GOLDEN / "base", output_loading_info=True)
    assert not report["missing_keys"]
    assert not any("output_layer" in name for name, _ in base.named_parameters())


def test_the_standard_names_of_sizes() -> None:
    """The published keys, under the names by which libraries ask for them; no code of the checkpoint is named."""
    config = AutoConfig.from_pretrained(GOLDEN / "base")
    assert isinstance(config, ChatGLM2Config)
    assert (config.vocab_size, config.num_hidden_layers, config.head_dim) == (832, 3, 16)
    assert (config.num_key_value_heads, config.intermediate_size, config.max_position_embeddings) == (2, 112, 640)
    assert config.auto_map == {}
    assert "auto_map" not in config.to_dict()
    one_each = ChatGLM2Config(multi_query_attention=False, num_attention_heads=4, multi_query_group_num=2)
    assert one_each.num_key_value_heads == 4


def test_the_defaults_are_the_published_models_sizes() -> None:
    with torch.device("meta"):
        its = AutoModelForCausalLM.from_config(ChatGLM2Config())
    assert sum(parameter.numel() for parameter in its.parameters()) == 6_243_584_000


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rmsnorm": False}, "rmsnorm"),
        ({"rope_ratio": 50}, "rope_ratio"),
        ({"post_layer_norm": False}, "post_layer_norm"),
        ({"multi_query_group_num": 3}, "3 groups"),
    ],
)
def test_what_is_not_implemented_is_refused(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        ChatGLM2Config(**changes)


def test_a_width_that_no_checkpoint_has_is_refused() -> None:
    config = AutoConfig.from_pretrained(GOLDEN / "base", quantization_bit=3)
    with pytest.raises(ValueError, match="3"):
        AutoModelForCausalLM.from_config(config)


def test_inputs_are_ids_or_embeddings(prompt: Any) -> None:
    embedded = model("base").get_input_embeddings()(prompt)
    close(model("base")(inputs_embeds=embedded).logits, model("base")(prompt).logits)
    with pytest.raises(ValueError, match="input_ids or inputs_embeds"):
        model("base")()
    with pytest.raises(ValueError, match="input_ids or inputs_embeds"):
        model("base")(prompt, inputs_embeds=embedded)


def test_replacing_the_head_replaces_it(prompt: Any) -> None:
    its = fresh().eval()
    head = torch.nn.Linear(64, 5, bias=False)
    its.set_output_embeddings(head)
    assert its.get_output_embeddings() is its.lm_head is head
    assert its(prompt).logits.shape[-1] == 5


def test_the_score_is_that_of_the_last_real_token() -> None:
    golden = case_tensors("base", "batch_left_padded")
    scorer = AutoModelForSequenceClassification.from_pretrained(GOLDEN / "base", num_labels=1).float().eval()
    batch = scorer(golden["input_ids"], attention_mask=golden["attention_mask"]).logits
    alone = [scorer(case_tensors("base", f"batch_row{row}_alone")["input_ids"]).logits for row in range(3)]
    close(batch, torch.cat(alone))
    assert not any("output_layer" in name for name, _ in scorer.named_parameters())


def test_biases_where_the_configuration_has_them() -> None:
    config = copy.deepcopy(model("base").config)
    config.add_bias_linear, config.add_qkv_bias = True, False
    its = AutoModelForCausalLM.from_config(config)
    biased = {name.rpartition(".layers.0.")[2] for name, _ in its.named_parameters() if ".layers.0." in name}
    assert {name for name in biased if name.endswith("bias")} == {
        "self_attention.query_key_value.bias",
        "self_attention.dense.bias",
        "mlp.dense_h_to_4h.bias",
        "mlp.dense_4h_to_h.bias",
    }
