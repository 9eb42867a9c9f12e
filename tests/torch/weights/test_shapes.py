"""Our tables of tensors against transformers' own classes: the same names, the same shapes, nothing more or less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra torch")

from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402

from app.families.bloom import alibi  # noqa: E402
from app.weights.architectures import (  # noqa: E402
    bloom,
    expected_for,
    is_tied,
)
from app.weights.formats.checkpoint import read_checkpoint  # noqa: E402

SIZES = {
    **{"hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 4},
    **{"vocab_size": 90, "num_key_value_heads": 2},
}
CONFIGS: list[dict[str, Any]] = [
    {"model_type": "llama", **SIZES},
    {"model_type": "llama", **SIZES, "num_key_value_heads": None, "attention_bias": True, "mlp_bias": True},
    {"model_type": "llama", **SIZES, "head_dim": 20, "tie_word_embeddings": True},
    {"model_type": "mistral", **SIZES, "attention_bias": True},
    {"model_type": "mistral", **SIZES, "num_attention_heads": 8, "head_dim": None},
    {"model_type": "qwen2", **SIZES, "tie_word_embeddings": True},
    {"model_type": "qwen2", **SIZES, "head_dim": 20},
    {"model_type": "qwen3", **SIZES},
    {"model_type": "qwen3", **SIZES, "head_dim": 24, "attention_bias": True},
    {"model_type": "bloom", "hidden_size": 48, "n_layer": 2, "n_head": 4, "vocab_size": 90},
    {"model_type": "bloom", "n_embed": 48, "num_hidden_layers": 2, "num_attention_heads": 6, "vocab_size": 90},
    {
        "model_type": "bloom",
        "hidden_size": 48,
        "n_layer": 1,
        "n_head": 4,
        "vocab_size": 9,
        "tie_word_embeddings": False,
    },
]


def model(config: dict[str, Any]) -> Any:
    kind = config["model_type"]
    sizes = {key: value for key, value in config.items() if key != "model_type"}
    return AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **sizes))


def shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {wanted.name: wanted.shape for wanted in expected_for(config) or ()}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c["model_type"])
def test_names_and_shapes_are_those_of_the_class(config: dict[str, Any]) -> None:
    its = model(config)
    assert shapes(config) == {name: tuple(tensor.shape) for name, tensor in its.state_dict().items()}
    assert its.config.tie_word_embeddings == is_tied(config)


@pytest.mark.parametrize("kind", ["mistral", "qwen2", "qwen3"])
def test_what_a_missing_key_means(kind: str) -> None:
    config = {"model_type": kind, **SIZES, "num_attention_heads": 32, "hidden_size": 64}
    del config["num_key_value_heads"]
    with torch.device("meta"):
        its = model(config)
    assert shapes(config) == {name: tuple(tensor.shape) for name, tensor in its.state_dict().items()}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c["model_type"])
def test_what_transformers_saves_is_found_sound(tmp_path: Path, config: dict[str, Any]) -> None:
    its = model(config).half()
    its.save_pretrained(tmp_path)
    assert read_checkpoint(tmp_path).parameters == sum(p.numel() for p in its.parameters())


def test_heads_are_lengthened_by_what_the_memory_estimate_counts() -> None:
    assert bloom.ALIBI_VALUES == alibi.EXTRA
