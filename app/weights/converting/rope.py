"""Converts RoPE settings and scaling from Hugging Face's to llama.cpp's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import gguf
import numpy as np
from numpy.typing import NDArray

from app.weights.converting.config import Config, number, table, whole, wrong

_ANY = 1 << 24


@dataclass(frozen=True, slots=True)
class Rope:
    """RoPE parameters for llama.cpp."""

    base: float
    factors: NDArray[np.float32] | None = None  # divisor of each frequency, [head / 2]
    most_tokens: int = _ANY  # the context up to which llama.cpp computes the same
    linear: float | None = None
    yarn: Mapping[str, float] = field(default_factory=dict)

    def describe(self, writer: gguf.GGUFWriter) -> None:
        """Write llama.cpp's metadata."""
        writer.add_rope_freq_base(self.base)
        if self.linear is not None:
            writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            writer.add_rope_scaling_factor(self.linear)
        if self.yarn:
            writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
            writer.add_rope_scaling_factor(self.yarn["factor"])
            writer.add_rope_scaling_orig_ctx_len(int(self.yarn["original"]))
            writer.add_rope_scaling_yarn_attn_factor(self.yarn["attention"])
            writer.add_rope_scaling_yarn_beta_fast(self.yarn["fast"])
            writer.add_rope_scaling_yarn_beta_slow(self.yarn["slow"])


def rope_of(config: Config, head: int) -> Rope:
    """The RoPE parameters of a model with head size `head`. Raises :class:`InvalidImport`.

    Transformers wrote ``rope_theta`` and ``rope_scaling`` up to its version 4, ``rope_parameters`` since.
    """
    settings = {**table(config, "rope_scaling"), **table(config, "rope_parameters")}
    base = number({**config, **settings}, "rope_theta", default=10000.0)
    if number({**config, **settings}, "partial_rotary_factor", default=1.0) != 1.0:
        raise wrong("applies RoPE to a part of each head only, which llama.cpp does not do for this architecture")
    kind = settings.get("rope_type", settings.get("type", "default"))
    if kind == "default":
        return Rope(base)
    original = whole(settings, "original_max_position_embeddings", default=whole(config, "max_position_embeddings"))
    if kind == "dynamic":  # no scaling up to the context of training
        return Rope(base, most_tokens=original)
    factor = number(settings, "factor")
    if kind == "linear":
        return Rope(base, linear=factor)
    if kind == "llama3":
        return Rope(base, factors=_llama3(settings, base, head, original))
    if kind == "yarn":
        return Rope(base, yarn=_yarn(settings, factor, original))
    raise wrong(f"scales RoPE by {str(kind)[:20]!r}, which can't be converted for llama.cpp")


def _llama3(settings: Config, base: float, head: int, original: int) -> NDArray[np.float32]:
    """LLaMA 3.1's scaling: high frequencies stay, low ones are divided by the factor, with a ramp in between."""
    factor = number(settings, "factor")
    low, high = number(settings, "low_freq_factor"), number(settings, "high_freq_factor")
    if high <= low:
        raise wrong("has a high_freq_factor that is not above its low_freq_factor")
    # rotations within the original context
    turns = original * base ** -(np.arange(0, head, 2, dtype=np.float64) / head) / (2 * math.pi)
    share = np.clip((turns - low) / (high - low), 0, 1)
    return (1 / ((1 - share) / factor + share)).astype(np.float32)


def _yarn(settings: Config, factor: float, original: int) -> dict[str, float]:
    """YaRN. Both scale attention by 1 + ln(factor) / 10; llama.cpp's setting is a further factor."""
    if settings.get("mscale") or settings.get("mscale_all_dim") or settings.get("truncate", True) is not True:
        raise wrong("scales RoPE by a variant of YaRN that llama.cpp does not support for this architecture")
    usual = 0.1 * math.log(factor) + 1 if factor > 1 else 1.0
    return {
        "factor": factor,
        "original": original,
        "attention": number(settings, "attention_factor", default=usual) / usual,
        "fast": number(settings, "beta_fast", default=32.0),
        "slow": number(settings, "beta_slow", default=1.0),
    }
