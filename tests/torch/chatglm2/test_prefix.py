"""P-tuning v2: a prefix is keys and values that every token sees and that move no position."""

from __future__ import annotations

import copy
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("transformers", reason="the torch extra is not installed")

from transformers import AutoModelForCausalLM, DynamicCache  # noqa: E402

from tests.torch.chatglm2.golden import TOLERANCE, case_tensors, model  # noqa: E402

LENGTH = 5


@pytest.fixture(params=[False, True], ids=["table", "projected"])
def tuned(request: pytest.FixtureRequest) -> Any:
    config = copy.deepcopy(model("base").config)
    config.pre_seq_len, config.prefix_projection = LENGTH, request.param
    torch.manual_seed(0)
    its = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    missing, unexpected = its.load_state_dict(model("base").state_dict(), strict=False)
    assert not unexpected
    assert all("prefix_encoder" in name for name in missing)
    for parameter in its.transformer.prefix_encoder.parameters():
        torch.nn.init.normal_(parameter, std=1.0)
    return its


def with_prefix_in_the_cache(ids: Any, prefix: Any) -> Any:
    """The base model over a cache that holds the prefix: what an engine's slot does."""
    cache = DynamicCache()
    for layer, (key, value) in enumerate(prefix):
        cache.update(key[None], value[None], layer)
    return model("base")(ids, past_key_values=cache, position_ids=torch.arange(ids.shape[1])[None]).logits


def test_a_prefix_is_keys_before_the_prompt(tuned: Any) -> None:
    ids = case_tensors("base", "single")["input_ids"]
    logits = tuned(ids).logits
    prefix = tuned.prefix_key_values(None)
    assert len(prefix) == 3
    assert prefix[0][0].shape == (2, LENGTH, 16)
    torch.testing.assert_close(logits, with_prefix_in_the_cache(ids, prefix), atol=TOLERANCE, rtol=0)
    assert (logits - model("base")(ids).logits).abs().max() > 0.1


def test_a_prefix_saved_alone_is_the_same(tuned: Any) -> None:
    weights = tuned.transformer.prefix_encoder.state_dict()
    for mine, its in zip(model("base").prefix_key_values(weights), tuned.prefix_key_values(None), strict=True):
        torch.testing.assert_close(mine[0], its[0])
        torch.testing.assert_close(mine[1], its[1])


@pytest.mark.parametrize("use_cache", [True, False])
def test_generation_and_padding_see_the_prefix(tuned: Any, use_cache: bool) -> None:
    golden = case_tensors("base", "batch_left_padded")
    batch = tuned.generate(
        golden["input_ids"],
        attention_mask=golden["attention_mask"],
        max_new_tokens=8,
        do_sample=False,
        use_cache=use_cache,
        eos_token_id=None,
    )[:, golden["input_ids"].shape[1] :]
    for row in range(3):
        ids = case_tensors("base", f"batch_row{row}_alone")["input_ids"]
        alone = []
        for _ in range(8):
            alone.append(int(tuned(ids).logits[0, -1].argmax()))
            ids = torch.cat((ids, torch.tensor([alone[-1:]])), dim=1)
        assert batch[row].tolist() == alone


@pytest.mark.parametrize("checkpointing", [True, False])
def test_a_prefix_learns(tuned: Any, checkpointing: bool) -> None:
    ids = case_tensors("base", "single")["input_ids"]
    tuned.train().requires_grad_(False)
    tuned.transformer.prefix_encoder.requires_grad_(True)
    if checkpointing:
        tuned.activation_checkpointing_enable()
    tuned(ids, labels=ids).loss.backward()
    for name, parameter in tuned.transformer.prefix_encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_a_prefix_for_another_model_is_refused() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        model("base").prefix_key_values({"embedding.weight": torch.zeros(4, 7)})
    with pytest.raises(KeyError):
        model("base").prefix_key_values({"trans.0.weight": torch.zeros(4, 7)})
