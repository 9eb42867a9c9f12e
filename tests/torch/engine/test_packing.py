from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the extra: pip install 'parley-chat[torch]'")

from torch import Tensor, nn  # noqa: E402

from app.engine.torch.c_kernels import int4_library  # noqa: E402
from app.engine.torch.kernels import Kernels, pack_int4  # noqa: E402
from app.engine.torch.packing import (  # noqa: E402
    PackedInt4Embedding,
    PackedInt4Linear,
    PackedInt8Linear,
    pack_for_inference,
)
from app.families.glm.quantization import QuantizedEmbedding, QuantizedLinear, quantize, unpack  # noqa: E402

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["native", "haswell", "torch"])
def kernels(request: pytest.FixtureRequest) -> Kernels:
    """Our own code as this processor and as AVX2 have it, and what there is without a compiler."""
    if request.param == "torch":
        return dataclasses.replace(Kernels.of_this_machine(), library=None)
    library = int4_library(request.param)
    if library is None:
        pytest.skip("no C compiler here, or a processor without AVX2")
    return dataclasses.replace(Kernels.of_this_machine(), library=library)


def quantized(inputs: int, outputs: int, bits: int, *, bias: bool = True, seed: int = 0) -> QuantizedLinear:
    torch.manual_seed(seed)
    linear = QuantizedLinear(inputs, outputs, bits, bias)
    linear.weight, linear.weight_scale = quantize(torch.randn(outputs, inputs).half(), bits)
    if linear.bias is not None:
        linear.bias.data.normal_()
    return linear


def model_of(**modules: nn.Module) -> Any:
    """Any modules as a model whose head is not tied."""
    model: Any = nn.Module()
    for name, module in modules.items():
        model.add_module(name, module)
    model.config = SimpleNamespace(tie_word_embeddings=False)
    model.get_output_embeddings = lambda: None
    return model


class TiedModel(nn.Module):
    def __init__(self, bits: int, vocabulary: int = 150, size: int = 64) -> None:
        super().__init__()
        self.config = SimpleNamespace(tie_word_embeddings=True)
        self.lm_head: nn.Module = quantized(size, vocabulary, bits, bias=False)
        self.words: nn.Module = QuantizedEmbedding(vocabulary, size, bits)
        self.words.weight, self.words.weight_scale = self.lm_head.weight, self.lm_head.weight_scale

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def set_output_embeddings(self, module: nn.Module) -> None:
        self.lm_head = module

    def set_input_embeddings(self, module: nn.Module) -> None:
        self.words = module


def assert_close(found: Tensor, expected: Tensor) -> None:
    """Within what three roundings to bfloat16 make."""
    assert found.shape == expected.shape
    assert float((found.float() - expected).abs().max()) <= 0.01 * float(expected.abs().max())


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 9, 28, 29, 70])
@pytest.mark.parametrize(("inputs", "outputs"), [(64, 64), (96, 130), (256, 37), (512, 192)])
@pytest.mark.parametrize("bias", [True, False])
def test_four_bits_give_what_the_dequantized_matrix_gives(
    kernels: Kernels, rows: int, inputs: int, outputs: int, bias: bool
) -> None:
    linear = quantized(inputs, outputs, 4, bias=bias)
    x = torch.randn(rows, inputs).bfloat16()
    with torch.no_grad():
        expected = linear(x.float())
        found = PackedInt4Linear(linear, kernels)(x)
    assert found.dtype == torch.bfloat16
    assert_close(found, expected)


@pytest.mark.parametrize("rows", [1, 8, 9, 70])
@pytest.mark.parametrize(("inputs", "outputs"), [(64, 64), (96, 160), (512, 32)])
@pytest.mark.parametrize("bias", [True, False])
def test_eight_bits_give_what_the_dequantized_matrix_gives(rows: int, inputs: int, outputs: int, bias: bool) -> None:
    linear = quantized(inputs, outputs, 8, bias=bias)
    x = torch.randn(rows, inputs).bfloat16()
    with torch.no_grad():
        expected = linear(x.float())
        assert_close(PackedInt8Linear(linear, Kernels.of_this_machine())(x), expected)


def test_our_own_code_is_more_exact_than_bfloat16(kernels: Kernels) -> None:
    if kernels.library is None:
        pytest.skip("that is about our own code")
    linear = quantized(4096, 48, 4)
    for rows in range(1, 20):
        for outlier, share in ((0.0, 0.1), (40.0, 0.9)):  # real activations have one far above the others
            x = torch.randn(rows, 4096)
            x[:, 7] += outlier
            with torch.no_grad():
                expected = linear(x)
                found = PackedInt4Linear(linear, kernels)(x)
                rounded = linear(x.bfloat16().float())
            assert found.dtype == torch.float32
            assert (found - expected).square().mean() < share**2 * (rounded - expected).square().mean()


def test_what_is_no_number_stays_none(kernels: Kernels) -> None:
    linear = quantized(64, 64, 4)
    x = torch.randn(3, 64).bfloat16()
    x[0, 3], x[1, 5] = torch.nan, torch.inf
    with torch.no_grad():
        found = PackedInt4Linear(linear, kernels)(x)
    assert not found[:2].isfinite().any()
    assert found[2].isfinite().all()
    assert PackedInt4Linear(linear, kernels)(torch.zeros(1, 64)).isfinite().all()


def test_many_rows_in_float32_are_as_exact_as_float32() -> None:
    kernels = dataclasses.replace(Kernels.of_this_machine(), library=None, wide=torch.float32)
    for bits, kind in ((4, PackedInt4Linear), (8, PackedInt8Linear)):
        linear = quantized(256, 320, bits)
        x = torch.randn(40, 256)
        with torch.no_grad():
            torch.testing.assert_close(kind(linear, kernels)(x), linear(x), rtol=1e-5, atol=1e-4)


def test_a_matrix_larger_than_the_scratch_is_computed_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engine.torch.kernels._SCRATCH_ELEMENTS", 64 * 64 * 2)
    for bits, kind in ((4, PackedInt4Linear), (8, PackedInt8Linear)):
        linear = quantized(64, 352, bits)
        x = torch.randn(2, 20, 64).bfloat16()
        with torch.no_grad():
            kernels = dataclasses.replace(Kernels.of_this_machine(), library=None)
            assert_close(kind(linear, kernels)(x), linear(x.float()))


def test_the_layout_is_that_of_torchs_own_kernel() -> None:
    kernels = Kernels.of_this_machine()
    if not kernels.packed_product:
        pytest.skip("PyTorch has no fast int4 kernel for this instruction set")
    every_byte = torch.arange(128 * 64).remainder(256).to(torch.uint8).view(torch.int8).view(128, 64)
    expected = torch.ops.aten._convert_weight_to_int4pack_for_cpu(unpack(every_byte).int() + 8, 1)
    assert torch.equal(pack_int4(every_byte, kernels.half).flatten(), expected.flatten())


def test_rows_come_out_of_the_packed_matrix_as_they_went_in(kernels: Kernels) -> None:
    linear = quantized(64, 150, 4)
    rows = torch.tensor([0, 15, 16, 31, 32, 63, 64, 100, 149, 0])
    assert torch.equal(kernels.int4_rows(kernels.pack_int4(linear.weight), rows), linear.integers()[rows])


def test_without_a_compiler_there_is_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert int4_library("as if it were the first time") is None


def test_a_tied_head_and_its_embedding_share_one_matrix() -> None:
    model = TiedModel(4)
    ids = torch.tensor([[0, 149, 7], [64, 64, 31]])
    expected = model.words(ids)
    pack_for_inference(model)
    assert isinstance(model.lm_head, PackedInt4Linear)
    assert isinstance(model.words, PackedInt4Embedding)
    assert model.words.packed.data_ptr() == model.lm_head.packed.data_ptr()
    assert list(model.state_dict()) == ["lm_head.packed", "lm_head.scale"]
    assert torch.equal(model.words(ids), expected)


def test_a_tied_eight_bit_head_keeps_the_embeddings_matrix() -> None:
    model = TiedModel(8, vocabulary=160)
    pack_for_inference(model)
    assert isinstance(model.lm_head, PackedInt8Linear)
    assert model.words.weight.data_ptr() == model.lm_head.weight.data_ptr()


def test_shapes_that_the_kernels_do_not_take_stay_as_they_are() -> None:
    model = model_of(
        a=quantized(48, 64, 4),
        b=quantized(48, 64, 8),
        c=quantized(64, 40, 8),
        d=nn.Linear(8, 8),
        e=quantized(64, 64, 4),
    )
    pack_for_inference(model)
    assert [type(module) for module in model.children()] == [
        QuantizedLinear,
        QuantizedLinear,
        QuantizedLinear,
        nn.Linear,
        PackedInt4Linear,
    ]


def test_each_old_matrix_goes_before_the_next_is_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(**{f"layer{number}": quantized(64, 64, 4, seed=number) for number in range(4)})
    old = [weakref.ref(module.weight) for module in model.children()]
    alive = []

    pack = Kernels.pack_int4

    def counting(kernels: Kernels, weight: Tensor) -> Tensor:
        alive.append(sum(reference() is not None for reference in old))
        return pack(kernels, weight)

    monkeypatch.setattr(Kernels, "pack_int4", counting)
    pack_for_inference(model)
    assert alive == [4, 3, 2, 1]
    assert not any(reference() for reference in old)


def test_casting_the_model_does_not_touch_what_is_packed() -> None:
    linear = quantized(64, 64, 4)
    model = model_of(layer=linear, norm=nn.LayerNorm(64))
    pack_for_inference(model)
    model.to(torch.bfloat16)
    assert model.norm.weight.dtype == torch.bfloat16
    assert torch.equal(model.layer.scale, linear.weight_scale.float())
    assert torch.equal(model.layer.bias, linear.bias)


@pytest.mark.slow
@pytest.mark.parametrize("capability", ["avx2", "default"])
def test_other_instruction_sets(capability: str) -> None:
    if os.environ.get("ATEN_CPU_CAPABILITY"):
        pytest.skip("one of them is being tested")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(Path(__file__).resolve())]
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": capability}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-3000:]
