"""The memory of PyTorch models, against sizes that are known: those of the published ChatGLM-6B and ChatGLM2-6B."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.domain.prefill import TORCH_CHUNK_TOKENS
from app.models.checkpoint_folders import size_label
from app.models.memory import torch_estimate
from app.models.memory.torch_estimate import estimate_torch, float_bytes
from app.weights.architectures.chatglm import expected_tensors
from app.weights.formats.checkpoint import Checkpoint, read_checkpoint
from app.weights.formats.safetensors import TensorInfo
from tests.support.safetensors_files import write_llama

GIB = 1 << 30
FIRST = {
    **{"model_type": "chatglm", "hidden_size": 4096, "inner_hidden_size": 16384, "num_layers": 28},
    **{"num_attention_heads": 32, "vocab_size": 130528, "max_sequence_length": 2048},
}
SECOND = {
    **{"model_type": "chatglm", "hidden_size": 4096, "ffn_hidden_size": 13696, "num_layers": 28, "kv_channels": 128},
    **{"num_attention_heads": 32, "padded_vocab_size": 65024, "seq_length": 32768, "multi_query_group_num": 2},
    **{"multi_query_attention": True, "add_qkv_bias": True, "add_bias_linear": False},
}


def published(config: dict[str, Any]) -> Checkpoint:
    """A checkpoint of this configuration, as far as its headers tell."""
    tensors = {}
    for wanted in expected_tensors(config):
        dtype, width = ("I8", 1) if wanted.kind == "int8" else ("F16", 2)
        elements = TensorInfo(dtype, wanted.shape, 0).elements
        tensors[wanted.name] = TensorInfo(dtype, wanted.shape, elements * width)
    return Checkpoint(Path("x"), config, tensors, ())


@pytest.fixture(autouse=True)
def bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that computes bfloat16 fast."""
    monkeypatch.setattr(torch_estimate, "float_bytes", lambda: 2)


def test_parameters_of_the_published_models() -> None:
    assert size_label(published(FIRST)) == "6.2B"  # the head is tied to the embedding, though stored
    assert size_label(published(SECOND)) == "6.2B"
    assert size_label(published({**SECOND, "quantization_bit": 4})) == "6.2B"


@pytest.mark.parametrize(
    ("config", "quantization", "weights_gib"),
    [
        (FIRST, "none", 11.5),  # 6.17e9 parameters × 2 bytes
        (FIRST, "int8", 6.25),  # 5.64e9 in layers × 1, the embedding 0.53e9 × 2
        (FIRST, "nf4", 3.95),  # 5.64e9 × 0.5625 …
        ({**FIRST, "quantization_bit": 8}, "int8", 6.25),
        ({**FIRST, "quantization_bit": 4}, "int4", 3.62),
        ({**FIRST, "quantization_bit": 4, "quantization_embeddings": True}, "int4", 2.88),
        (SECOND, "none", 11.63),
        (SECOND, "nf4", 4.0),
    ],
)
def test_weights(config: dict[str, Any], quantization: str, weights_gib: float) -> None:
    estimate = estimate_torch(published(config), quantization, context_tokens=2048)
    assert estimate is not None
    assert estimate.weights_bytes / GIB == pytest.approx(weights_gib, rel=0.01)


def test_the_cache() -> None:
    first = estimate_torch(published(FIRST), "none", context_tokens=2048)
    assert first is not None
    assert first.kv_bytes_per_token == 28 * 2 * 4096 * 2
    assert first.slots == 1  # one takes nearly a GiB
    second = estimate_torch(published(SECOND), "none", context_tokens=2048)
    assert second is not None
    assert second.kv_bytes_per_token == 28 * 2 * 2 * 128 * 2
    assert second.slots == 4
    assert estimate_torch(published(SECOND), "none", context_tokens=2048, slots=7).slots == 7  # type: ignore[union-attr]
    parts = second.weights_bytes + second.kv_bytes + second.compute_bytes + second.process_bytes
    assert second.total_bytes == parts  # no store of prompts beside the slots


def test_any_other_architecture(tmp_path: Path) -> None:
    tiny = read_checkpoint(write_llama(tmp_path / "tiny"))
    estimate = estimate_torch(tiny, "none", context_tokens=64)
    assert estimate is not None
    assert estimate.weights_bytes == 2 * tiny.parameters
    assert estimate.kv_bytes_per_token == 2 * 2 * (2 * 2) * 2  # layers, keys and values, heads × size, bytes
    smaller = estimate_torch(tiny, "nf4", context_tokens=64)
    assert smaller is not None
    assert smaller.weights_bytes < estimate.weights_bytes
    tied = read_checkpoint(write_llama(tmp_path / "tied", tie_word_embeddings=True))
    assert estimate_torch(tied, "none", context_tokens=64).weights_bytes == estimate.weights_bytes - 2 * 32 * 8  # type: ignore[union-attr]
    nested = read_checkpoint(write_llama(tmp_path / "nested", model_type="nested", num_attention_heads=None))
    assert estimate_torch(nested, "none", context_tokens=64) is None


def test_on_a_gpu_the_process_alone_is_in_ram(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_estimate, "float_bytes", lambda: 4)  # the processor's precision does not matter
    model = estimate_torch(published(SECOND), "none", context_tokens=2048, on_gpu=True)
    assert model is not None
    assert model.weights_bytes / GIB == pytest.approx(11.63, rel=0.01)
    assert model.ram_bytes == model.process_bytes
    assert model.vram_bytes == model.weights_bytes + model.kv_bytes + model.compute_bytes
    assert model.total_bytes == model.ram_bytes + model.vram_bytes


def test_causal_models_read_prompts_in_the_engines_chunks(tmp_path: Path) -> None:
    """A longer context makes the attention mask longer, and nothing else that is computed at once."""
    wide = {"hidden_size": 1 << 16, "num_hidden_layers": 1, "num_attention_heads": 1}

    def compute_bytes(context_tokens: int) -> int:
        estimate = estimate_torch(Checkpoint(tmp_path, wide, {}, ()), "none", context_tokens=context_tokens)
        assert estimate is not None
        return estimate.compute_bytes - TORCH_CHUNK_TOKENS * context_tokens * 3

    assert compute_bytes(4096) == compute_bytes(TORCH_CHUNK_TOKENS) > compute_bytes(TORCH_CHUNK_TOKENS // 2)


@pytest.mark.parametrize(
    ("flags", "width"),
    [("fpu sse avx512f avx512_bf16", 2), ("fpu amx_bf16", 2), ("fpu sse avx2 avx512f", 4), ("", 4)],
)
def test_precision_by_the_processors_flags(tmp_path: Path, flags: str, width: int) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(f"processor\t: 0\nmodel name\t: x\nflags\t\t: {flags}\n")
    assert float_bytes(path) == width
    assert float_bytes(tmp_path / "none") == 4
