"""Reads ``adapter_config.json`` of LoRA weights as PEFT writes it, and refuses what is more than plain LoRA.

LoRA (Hu et al., 2021, arXiv:2106.09685) adds ``scaling · B(A(x))`` to what a linear layer gives. The scaling is
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
# What changes the arithmetic beyond that.
_OTHER_ARITHMETIC = (
    *("use_dora", "lora_bias", "modules_to_save", "trainable_token_indices", "layer_replication"),
    *("megatron_config", "alora_invocation_tokens", "use_qalora", "arrow_config", "target_parameters"),
)


class BadLora(ValueError):
    """A configuration that can't be used; the message completes the sentence that the adapter's name begins."""


@dataclass(frozen=True, slots=True)
class LoraConfig:
    """Plain LoRA of linear layers."""

    rank: int
    alpha: float
    rslora: bool
    alphas: tuple[tuple[re.Pattern[str], float], ...]  # of single modules, by the end of their names
    ranks_differ: bool  # some modules have another rank; their weights tell which

    def scaling(self, module: str, rank: int) -> float:
        """By what ``B(A(x))`` of a module is multiplied; `rank` is that of its weights."""
        alpha = next((value for pattern, value in self.alphas if pattern.fullmatch(module)), self.alpha)
        return alpha / (math.sqrt(rank) if self.rslora else rank)


def lora_config(config: Mapping[str, Any]) -> LoraConfig:
    """Read the configuration. Raises :class:`BadLora` for all that is not plain LoRA of linear layers."""
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
    """PEFT takes a name as a regular expression for the end of a module's. One that could run for ever is refused."""
    repeats = sum(text.count(mark) for mark in "*+")
    try:
        if _PATTERN.fullmatch(text) and not _REPEATED_GROUP.search(text) and repeats <= _MAX_REPEATS:
            return re.compile(rf"(.*\.)?({text})")
    except re.error:
        pass
    raise BadLora(f"has the pattern {text[:80]!r} in alpha_pattern, which is too complex. Name the modules themselves")
