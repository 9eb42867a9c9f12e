"""What configurations ask for; that it is what transformers' classes have is checked in tests/torch/weights."""

from __future__ import annotations

from typing import Any

import pytest

from app.weights.architectures import bloom, expected_for, is_tied, llama
from app.weights.architectures.base import BadConfig

LLAMA_7B = {
    **{"model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32},
    **{"num_attention_heads": 32, "vocab_size": 32000},
}
BLOOMZ_7B = {"model_type": "bloom", "hidden_size": 4096, "n_layer": 30, "num_attention_heads": 32, "vocab_size": 250880}
QWEN3_06B = {
    **{"model_type": "qwen3", "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28},
    **{"num_attention_heads": 16, "num_key_value_heads": 8, "vocab_size": 151936, "tie_word_embeddings": True},
}


def parameters(config: dict[str, Any]) -> int:
    """Numbers in all tensors that must be there."""
    count = 0
    for wanted in expected_for(config) or ():
        size = 1
        for side in wanted.shape:
            size *= side
        count += size if wanted.required else 0
    return count


def test_published_models_have_as_many_parameters_as_their_makers_say() -> None:
    assert parameters(LLAMA_7B) == 6_738_415_616
    assert parameters(BLOOMZ_7B) == 7_069_016_064
    assert parameters(QWEN3_06B) == 596_049_920


def test_alpaca_has_one_row_more_than_llama() -> None:
    assert parameters(LLAMA_7B | {"vocab_size": 32001}) - parameters(LLAMA_7B) == 2 * 4096


def test_the_cache_holds_what_each_architecture_keeps() -> None:
    assert llama.kv_values_per_token(LLAMA_7B) == 2 * 32 * 4096
    assert llama.kv_values_per_token(QWEN3_06B) == 2 * 28 * 8 * 128  # heads wider than 1024 / 16
    assert bloom.kv_values_per_token(BLOOMZ_7B) == 2 * 30 * 32 * (128 + 8)
    assert bloom.kv_values_per_token(BLOOMZ_7B, lengthened=False) == 2 * 30 * 4096


def test_heads_are_tied_as_transformers_has_it() -> None:
    assert [is_tied({"model_type": kind}) for kind in ("bloom", "llama", "qwen2", "chatglm")] == [
        True,
        False,
        False,
        True,
    ]
    assert not is_tied({"model_type": "chatglm", "padded_vocab_size": 9})
    assert not is_tied(BLOOMZ_7B | {"tie_word_embeddings": False})


def test_synonyms_name_the_same_sizes() -> None:
    other = {"model_type": "bloom", "n_embed": 4096, "num_hidden_layers": 30, "n_head": 32, "vocab_size": 250880}
    assert list(expected_for(other) or ()) == list(expected_for(BLOOMZ_7B) or ())
    assert list(expected_for(BLOOMZ_7B | {"n_head": 32, "n_embed": None}) or ()) == list(expected_for(BLOOMZ_7B) or ())


@pytest.mark.parametrize(
    ("config", "changes", "words"),
    [
        (LLAMA_7B, {"num_hidden_layers": 10**9}, "num_hidden_layers"),
        (LLAMA_7B, {"num_attention_heads": None}, "num_attention_heads"),
        (LLAMA_7B, {"num_attention_heads": 3}, "do not divide"),
        (LLAMA_7B, {"num_key_value_heads": 5}, "do not divide"),
        (LLAMA_7B, {"num_key_value_heads": 0}, "num_key_value_heads"),
        (LLAMA_7B, {"head_dim": "wide"}, "head_dim"),
        (LLAMA_7B, {"intermediate_size": -1}, "intermediate_size"),
        (LLAMA_7B, {"vocab_size": True}, "vocab_size"),
        (BLOOMZ_7B, {"n_layer": 10**9}, "n_layer"),
        (BLOOMZ_7B, {"n_head": 16}, "n_head = 16 and num_attention_heads = 32"),
        (BLOOMZ_7B, {"n_embed": 1 << 60}, "hidden_size = 4096 and n_embed"),
        (BLOOMZ_7B, {"num_attention_heads": 33}, "do not divide"),
        (BLOOMZ_7B, {"hidden_size": [4096]}, "hidden_size"),
    ],
)
def test_configurations_that_make_no_sense(config: dict[str, Any], changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        list(expected_for(config | changes) or ())


def test_of_others_nothing_is_known() -> None:
    assert expected_for({"model_type": "unheard-of"}) is None
    assert expected_for({"model_type": ["llama"]}) is None
    assert expected_for({}) is None
