"""Our BLOOM against transformers' own, with the same random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")

from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification  # noqa: E402
from transformers.models.bloom.modeling_bloom import _get_alibi_slopes  # noqa: E402

from app.families.bloom import BloomForCausalLM, BloomForSequenceClassification, alibi  # noqa: E402
from tests.torch.bloom.tiny import ids, original, ours  # noqa: E402
from tests.torch.rounding import assert_same  # noqa: E402

HEADS = [1, 4, 6, 12, 32]  # and such as are no powers of two


@pytest.mark.parametrize("n_heads", [1, 2, 6, 8, 12, 16, 32, 112])
def test_the_slopes_are_bigscience_s(n_heads: int) -> None:
    assert_same(torch.tensor(alibi.slopes(n_heads)), _get_alibi_slopes(n_heads, torch.device("cpu")), 1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_bias_is_exact_in_every_precision(dtype: Any) -> None:
    """Up to a shift of a whole row, which softmax does not see."""
    places = torch.tensor([[0, 1, 255, 256, 700, 2047, 9999, 40_000]])
    query, key = (part.double() for part in alibi.bias_parts(places, 12, dtype))
    found = query @ key.transpose(2, 3)
    wanted = torch.tensor(alibi.slopes(12)).double()[:, None, None] * (places[:, None] - places[:, :, None])
    shift = (found - wanted).diagonal(dim1=2, dim2=3)[..., None]
    near = wanted[None].abs() < 50
    assert (found - wanted - shift)[near].abs().max() < 1e-3
    assert shift.abs().max() < 0.2


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
@pytest.mark.parametrize("n_heads", HEADS)
def test_logits_are_the_originals(n_heads: int, implementation: str) -> None:
    batch = ids(40, 2)
    its = ours(n_heads)
    its.set_attn_implementation(implementation)
    assert_same(its(batch).logits, original(n_heads)(batch).logits)
    assert_same(its(batch, logits_to_keep=2).logits, original(n_heads)(batch).logits[:, -2:])


@pytest.mark.parametrize(
    "changes", [{"apply_residual_connection_post_layernorm": True}, {"tie_word_embeddings": False}]
)
def test_switches_of_the_configuration(changes: dict[str, Any]) -> None:
    batch = ids(20, 2)
    assert_same(ours(**changes)(batch).logits, original(**changes)(batch).logits)


def test_hidden_states_are_the_originals() -> None:
    found, wanted = (its(ids(9), output_hidden_states=True).hidden_states for its in (ours(), original()))
    assert len(found) == len(wanted) == 4
    for mine, theirs in zip(found, wanted, strict=True):
        assert_same(mine, theirs)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_nothing(side: str) -> None:
    batch, real = ids(30, 3), torch.ones(3, 30, dtype=torch.long)
    for row, n_padded in enumerate((0, 5, 17)):
        real[row, :n_padded] = 0
    if side == "right":
        real = real.flip(1)
    its = ours(6)
    logits = its(batch, attention_mask=real).logits
    assert_same(logits[real.bool()], original(6)(batch, attention_mask=real).logits[real.bool()])
    counted = (real.cumsum(1) - 1).clamp(min=0)  # as generate counts positions
    assert_same(its(batch, attention_mask=real, position_ids=counted).logits[real.bool()], logits[real.bool()])


def test_a_cache_gives_what_the_whole_text_gives() -> None:
    batch = ids(50)
    whole = original(12)(batch).logits
    its = ours(12)
    first = its(batch[:, :20], use_cache=True)
    second = its(batch[:, 20:49], cache=first.cache)
    third = its(batch[:, 49:], past_key_values=second.cache)
    assert_same(torch.cat((first.logits, second.logits, third.logits), 1), whole)


def test_sequences_packed_into_one_row_do_not_see_each_other() -> None:
    one, two = ids(12, seed=1), ids(9, seed=2)
    its = ours()
    places = torch.cat((torch.arange(12), torch.arange(9)))[None]
    packed = its(torch.cat((one, two), 1), position_ids=places, use_cache=False).logits
    assert_same(packed, torch.cat((its(one).logits, its(two).logits), 1))


@pytest.mark.parametrize("options", [{}, {"num_beams": 3}])
def test_generate_says_what_the_original_says(options: dict[str, int]) -> None:
    batch, real = ids(24, 3), torch.ones(3, 24, dtype=torch.long)
    real[1, :9] = 0
    batch[1, :9] = 3
    said = [
        its.generate(batch, attention_mask=real, max_new_tokens=20, do_sample=False, **options)
        for its in (ours(6), original(6))
    ]
    assert torch.equal(*said)
    assert said[0].shape[1] > 30


def test_bfloat16_knows_where_far_tokens_stand() -> None:
    """Where transformers rounds the bias itself, which at position 1,500 is off by several."""
    batch = ids(1500)
    exact = original(8, dtype=torch.float64, n_layer=1)(batch).logits[:, -50:]
    error = (ours(8, dtype=torch.bfloat16, n_layer=1)(batch).logits[:, -50:] - exact).abs().mean()
    its = (original(8, dtype=torch.bfloat16, n_layer=1)(batch).logits[:, -50:] - exact).abs().mean()
    assert error < 0.02 < its
    assert_same(ours(8, n_layer=1)(batch).logits[:, -50:].double(), exact, 1e-4)


def test_a_configuration_whose_heads_leave_a_rest_is_refused() -> None:
    with pytest.raises(ValueError, match="can't be divided"):
        BloomForCausalLM(ours().config.__class__(hidden_size=10, n_head=3))


# Published folders: BLOOMZ's tensors have no prefix, BELLE's do and bring the tied head as well; all in half precision.
@pytest.mark.parametrize("names", ["with prefix", "without prefix", "with prefix and head"])
def test_published_folders_load_as_they_are(tmp_path: Path, names: str) -> None:
    from safetensors.torch import load_file, save_file

    half = original(dtype=torch.float16)
    half.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    assert "lm_head.weight" not in tensors
    if names == "without prefix":
        tensors = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    elif names == "with prefix and head":
        tensors["lm_head.weight"] = tensors["transformer.word_embeddings.weight"].clone()
    save_file(tensors, path, {"format": "pt"})
    its = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert type(its) is BloomForCausalLM
    assert_same(its(ids(20)).logits, half.float()(ids(20)).logits)


def test_a_score_is_that_of_the_last_real_token(tmp_path: Path) -> None:
    original().save_pretrained(tmp_path)
    scorer = AutoModelForSequenceClassification.from_pretrained(tmp_path, num_labels=1).eval()
    assert type(scorer) is BloomForSequenceClassification
    batch = ids(8, 2)
    batch[1, 6:] = 3
    scores = scorer(batch, attention_mask=(batch != 3).long()).logits
    assert_same(scores, torch.cat((scorer(batch[:1]).logits, scorer(batch[1:, :6]).logits)))
