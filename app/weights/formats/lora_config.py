"""Reads PEFT's ``adapter_config.json`` of LoRA weights, and rejects variants beyond plain LoRA.

LoRA (Hu et al., 2021, arXiv:2106.09685) adds ``scaling · B(A(x))`` to a linear layer's output. The scaling is
alpha / r, or alpha / √r where ``use_rslora`` says so (Kalajdzievski, 2023, arXiv:2312.03732).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_RANK = 4096

_MAX_PATTERNS = 1024
_MAX_ALPHA = 1e6
_PATTERN = re.compile(r"[\w.*+?|()\[\]^$\\-]{1,200}")
_REPEATED_GROUP = re.compile(r"\)[*+?{]")
_MAX_REPEATS = 3
# Settings that change the arithmetic.
_OTHER_ARITHMETIC = (
    *("use_dora", "lora_bias", "modules_to_save", "trainable_token_indices", "layer_replication"),
    *("megatron_config", "alora_invocation_tokens", "use_qalora", "arrow_config", "target_parameters"),
)


class BadLora(ValueError):
    """An unsupported configuration; the message completes the sentence that begins with the adapter's name."""


@dataclass(frozen=True, slots=True)
class LoraConfig:
    """The configuration of plain LoRA on linear layers."""

    rank: int
    alpha: float
    rslora: bool
    alphas: tuple[tuple[re.Pattern[str], float], ...]  # per module, by a pattern for the end of its name
    ranks_differ: bool  # ranks per module; the weights determine them

    def scaling(self, module: str, rank: int) -> float:
        """The scaling of a module's ``B(A(x))``; `rank` is that of its weights."""
        alpha = next((value for pattern, value in self.alphas if pattern.fullmatch(module)), self.alpha)
        return alpha / (math.sqrt(rank) if self.rslora else rank)


def lora_config(config: Mapping[str, Any]) -> LoraConfig:
    """Read the configuration. Raises :class:`BadLora` for anything but plain LoRA on linear layers."""
    kind = config.get("peft_type")
    if not isinstance(kind, str) or kind.upper() != "LORA":
        raise BadLora(f"is an adapter of the type {str(kind)[:40]!r}; supported are LORA and P-tuning v2")
    other = [key for key in _OTHER_ARITHMETIC if config.get(key)]
    if config.get("bias", "none") != "none":
        other.append("bias")
    if other:
        raise BadLora(
            f"is more than plain LoRA ({', '.join(other)}), which can't be applied to a model. Merge it into its base "
            "model, or train it again as plain LoRA of linear layers (bias none, no modules_to_save)"
        )
    rank = config.get("r")
    if type(rank) is not int or not 0 < rank <= MAX_RANK:
        raise BadLora(f"has the rank {str(rank)[:20]}, which must be a whole number from 1 to {MAX_RANK}")
    return LoraConfig(
        rank=rank,
        alpha=_alpha(config.get("lora_alpha", rank)),
        rslora=config.get("use_rslora") is True,
        alphas=tuple((_pattern(name), _alpha(value)) for name, value in _table(config, "alpha_pattern").items()),
        ranks_differ=bool(_table(config, "rank_pattern")),
    )


def _alpha(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _MAX_ALPHA:
        raise BadLora(f"has the lora_alpha {str(value)[:20]}, which must be a number above 0")
    return float(value)


def _table(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = config.get(key) or {}
    if not isinstance(value, dict) or len(value) > _MAX_PATTERNS:
        raise BadLora(f"has a {key} that is not a table of at most {_MAX_PATTERNS:,} modules")
    return value


def _pattern(text: str) -> re.Pattern[str]:
    """A regular expression for the end of a module's name, as in PEFT; raises for one that could be very slow."""
    repeats = sum(text.count(mark) for mark in "*+")
    try:
        if _PATTERN.fullmatch(text) and not _REPEATED_GROUP.search(text) and repeats <= _MAX_REPEATS:
            return re.compile(rf"(.*\.)?({text})")
    except re.error:
        pass
    raise BadLora(f"has the pattern {text[:80]!r} in alpha_pattern, which is too complex. Name the modules themselves")
