"""Weights that lie in a mapped file at any eighth byte: PyTorch's int8 kernel ends the process on those."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="needs the extra torch")

SCRIPT = """
import torch
from app.engine.torch.kernels import Kernels
from app.engine.torch.packing import PackedInt8Linear
from app.families.glm.quantization import QuantizedLinear

linear = QuantizedLinear(256, 512, 8)
memory = torch.randint(-127, 128, (512 * 256 + 16,), dtype=torch.int8)
linear.weight = memory[8:-8].view(512, 256)
linear.weight_scale = torch.rand(512).half()
assert linear.weight.data_ptr() % 16 == 8
x = torch.randn(8, 256).bfloat16()
packed = PackedInt8Linear(linear, Kernels.of_this_machine())
torch.testing.assert_close(packed(x).float(), linear(x.float()), rtol=0.03, atol=3.0)
"""


def test_int8_weights_that_begin_anywhere() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
