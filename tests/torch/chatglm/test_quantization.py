"""The quantized layout, bit for bit."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")

from safetensors.torch import load_file  # noqa: E402

from app.families.glm.quantization import QuantizedEmbedding, QuantizedLinear, pack, quantize, unpack  # noqa: E402
from tests.torch.chatglm.golden import golden, model, tensors  # noqa: E402

QUANTIZED = ["int4", "int8", "int4_embeddings", "int8_embeddings"]


@pytest.mark.parametrize("bits", [4, 8])
def test_packing_is_the_originals(bits: int) -> None:
    expected = tensors("quantization/packing.safetensors")
    weight, scale = quantize(expected["weight_half"], bits)
    assert torch.equal(weight, expected[f"int{bits}.weight"])
    assert torch.equal(scale, expected[f"int{bits}.weight_scale"])
    rows, columns = expected["weight_half"].shape
    layer = QuantizedLinear(columns, rows, bits, bias=False)
    layer.load_state_dict({"weight": weight, "weight_scale": scale})
    assert torch.equal(layer.integers(), expected[f"int{bits}.integers"])
    assert torch.equal(layer.dequantized(torch.float32), expected[f"int{bits}.dequantized"].float())


def test_every_byte_holds_two_values() -> None:
    expected = tensors("quantization/packing.safetensors")
    values = unpack(expected["all_bytes"])
    assert torch.equal(values.float(), expected["all_bytes.int4_values"])
    assert torch.equal(pack(values), expected["all_bytes"])


@pytest.mark.parametrize("folder", QUANTIZED)
def test_a_checkpoint_quantizes_to_the_originals(folder: str) -> None:
    half = load_file(golden("unquantized_half") / "model.safetensors")
    stored = load_file(golden(folder) / "model.safetensors")
    names = [name.removesuffix("_scale") for name in stored if name.endswith(".weight_scale")]
    assert len(names) == (14 if folder.endswith("embeddings") else 12)
    for name in names:
        weight, scale = quantize(half[name], int(folder[3]))
        assert torch.equal(weight, stored[name])
        assert torch.equal(scale, stored[f"{name}_scale"])


@pytest.mark.parametrize("folder", QUANTIZED)
def test_dequantized_layers_are_the_originals(folder: str) -> None:
    expected = {name: value for name, value in tensors(f"{folder}/cases.safetensors").items() if "dequantized." in name}
    assert expected
    for name, value in expected.items():
        layer = model(folder).transformer.get_submodule(name.removeprefix("dequantized.").removesuffix(".weight"))
        assert torch.equal(layer.dequantized(torch.float32), value)


def test_an_embedding_makes_the_rows_it_is_asked_for() -> None:
    weight, scale = quantize(torch.randn(10, 6).half(), 4)
    embedding = QuantizedEmbedding(10, 6, 4)
    embedding.load_state_dict({"weight": weight, "weight_scale": scale})
    ids = torch.tensor([[3, 9], [0, 3]])
    assert torch.equal(embedding(ids), embedding.dequantized(torch.float32)[ids])
    assert embedding.to(torch.bfloat16)(ids).dtype == torch.bfloat16


def test_scales_stay_what_they_are_when_a_model_is_cast() -> None:
    layer = QuantizedLinear(4, 3, 8)
    layer.weight_scale.copy_(torch.tensor([1.001, 2.003, 3.0]))
    scale = layer.weight_scale.clone()
    layer.to(torch.bfloat16)
    assert layer.bias.dtype == torch.bfloat16
    assert torch.equal(layer.weight_scale, scale)
    assert layer(torch.zeros(2, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_a_row_of_zeros_stays_zero() -> None:
    weight, scale = quantize(torch.zeros(2, 4, dtype=torch.float16), 8)
    assert weight.tolist() == [[0] * 4] * 2
    assert torch.isfinite(scale).all()


def test_widths_and_shapes_that_the_layout_lacks() -> None:
    with pytest.raises(ValueError, match="3 bits"):
        quantize(torch.zeros(2, 4), 3)
    with pytest.raises(ValueError, match="3 bits"):
        QuantizedLinear(4, 2, 3)
    with pytest.raises(ValueError, match="3 columns"):
        quantize(torch.ones(2, 3), 4)
