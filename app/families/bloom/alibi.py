"""ALiBi (attention with linear biases) as extra dimensions of queries and keys, for use with any attention function.

Press, Smith and Lewis (2022, arXiv:2108.12409): the score of a query at position i and a key at position j gets
``slope · (j - i)``, with a slope for each head. That is a dot product of two short vectors, one of which depends on the
query's position and the other on the key's. Appended to queries and keys, they add the bias to every score::

    query  256·a    a      256·b    b      c      d    0  0        a + b = slope    (b: what a leaves in half precision)
    key    j // 256 j % 256 j // 256 j % 256  1      1    0  0        c + d = -slope · i

Every number is exact in bfloat16, which has eight bits, for positions up to 65,535, except c + d; an error there shifts
all scores of a query equally, to which softmax is invariant. Scores stay small where weights are large (near keys), so
that scores rounded to half precision are as precise as those of other architectures.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

EXTRA = 8  # dimensions added to each head: six, and two zeros, since fast kernels need multiples of eight

_LOW = 256  # all integers up to this are exact in bfloat16


@functools.cache
def slopes(n_heads: int) -> tuple[float, ...]:
    """Each head's slope: 2^(-8k/n) for k = 1 … n where n is a power of two.

    Otherwise those of the next smaller power of two, followed by every second one of the next larger.
    """
    power: int = 1 << (n_heads.bit_length() - 1)
    found = [2.0 ** (-8 * k / power) for k in range(1, power + 1)]
    found += [2.0 ** (-4 * k / power) for k in range(1, 2 * (n_heads - power), 2)]
    return tuple(found)


def bias_parts(positions: Tensor, n_heads: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The extra dimensions of queries and keys at `positions` [b, n], [b, heads, n, EXTRA] each.

    Queries must be scaled before these are appended: the attention function must not scale the scores.
    """
    slope = torch.tensor(slopes(n_heads), dtype=torch.float64, device=positions.device)[:, None]  # [heads, 1]
    zero = torch.zeros_like(positions, dtype=dtype)
    high, low = _halves(slope, dtype)
    shift, rest = _halves(-slope * positions[:, None], dtype)  # [b, heads, n]
    constants = (_LOW * high, high, _LOW * low, low)
    query = torch.stack(
        [*(part.expand_as(shift) for part in constants), shift, rest, *[zero[:, None].expand_as(shift)] * 2], -1
    )
    first, second = (positions // _LOW).to(dtype), (positions % _LOW).to(dtype)
    key = torch.stack([first, second, first, second, zero + 1, zero + 1, zero, zero], -1)
    return query, key[:, None].expand(-1, n_heads, -1, -1)


def _halves(numbers: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """`numbers` rounded to `dtype`, and the remainder."""
    rounded = numbers.to(dtype)
    return rounded, (numbers - rounded.to(numbers.dtype)).to(dtype)
