"""How far two computations of the same float32 numbers may differ.

Processors add the same products in different orders (AVX2, AVX-512, AMX), so a result is right to some
rounding errors of its largest value, not to a number that one machine was seen to keep.
"""

from __future__ import annotations

from typing import Any

import torch

# Three random layers, 512 wide, differ by 7 of them with AVX-512 and by 9 with AVX-512 FP16 and AMX.
ROUNDINGS = 64


def tolerance(expected: Any) -> float:
    """What `expected`, a float32 tensor, may be missed by."""
    return ROUNDINGS * torch.finfo(torch.float32).eps * max(1.0, float(expected.detach().abs().max()))


def assert_same(found: Any, expected: Any, within: float | None = None) -> None:
    """Both tensors are the same but for rounding, or to `within`."""
    torch.testing.assert_close(found, expected, atol=tolerance(expected) if within is None else within, rtol=0)
