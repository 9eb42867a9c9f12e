"""Applies adapters to a loaded base model: LoRA weights and P-tuning v2 prefixes, switched without reloading.

LoRA (Hu et al., 2021, arXiv:2106.09685) adds ``scaling * B(A(x))`` to the output of a linear layer. Here a forward hook
on each target module adds it for the active adapter, so that it works with any kind of linear layer, including
quantized and packed ones. The files are PEFT's, read by :mod:`app.weights.formats.lora_weights`.

A prefix is a few keys and values before the prompt in every layer; the model computes them from the prefix encoder's
weights (:meth:`prefix_key_values`), and the engine writes them into the slot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from app.errors import DamagedWeights
from app.weights.formats.adapter_folder import PREFIX
from app.weights.formats.checkpoint import read_config
from app.weights.formats.lora_weights import LORA_CONFIG, LORA_WEIGHTS, read_lora

Prefix = list[tuple[Tensor, Tensor]]  # per layer: keys and values, each [kv_heads, P, head_dim]


class AdapterError(ValueError):
    """An adapter that does not fit the model; the message says why and what to do."""


@dataclass(slots=True)
class _Pair:
    """The LoRA weights of one module: A [r, in], and B [out, r] multiplied by the scaling."""

    a: Tensor
    b: Tensor


@dataclass(slots=True)
class Adapters:
    """All adapters of one loaded model. ``None`` names the base model itself."""

    names: tuple[str, ...] = ()
    _lora: dict[str, dict[str, _Pair]] = field(default_factory=dict)  # adapter → module → weights
    _prefixes: dict[str | None, Prefix] = field(default_factory=dict)
    _active: dict[str, _Pair] = field(default_factory=dict)  # module → weights, of the active adapter

    def activate(self, name: str | None) -> None:
        """Use adapter `name` in the following forward passes. Takes no time."""
        self._active = self._lora.get(name, {}) if name else {}

    def prefix(self, name: str | None) -> Prefix | None:
        """The prefix of adapter `name`, or the base model's own; ``None`` where there is neither."""
        return self._prefixes.get(name, self._prefixes.get(None))

    def _hook(self, module_name: str) -> Any:
        def add(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            pair = self._active.get(module_name)
            if pair is None:
                return output
            x = inputs[0].to(pair.a.dtype)
            return output + nn.functional.linear(nn.functional.linear(x, pair.a), pair.b).to(output.dtype)

        return add


def attach(model: nn.Module, folders: Mapping[str, Path], dtype: torch.dtype) -> Adapters:
    """Load the adapters in `folders` (name → folder) and register their hooks in `model`.

    Raises :class:`AdapterError`, naming the adapter, for one that is broken or belongs to another base.
    """
    adapters = Adapters(tuple(folders))
    device = next(model.parameters()).device
    if getattr(model.config, "pre_seq_len", None):
        adapters._prefixes[None] = _own_prefix(model, dtype)
    for name, folder in folders.items():
        if (folder / LORA_CONFIG).is_file():
            adapters._lora[name] = _read_lora(model, name, folder, dtype, device)
        else:
            adapters._prefixes[name] = _read_prefix(model, name, folder, dtype, device)
    modules = dict(model.named_modules())
    for target in {module for lora in adapters._lora.values() for module in lora}:
        modules[target].register_forward_hook(adapters._hook(target))
    return adapters


def _read_lora(model: nn.Module, name: str, folder: Path, dtype: torch.dtype, device: torch.device) -> dict[str, _Pair]:
    try:
        lora = read_lora(folder, read_config(folder, LORA_CONFIG))
    except DamagedWeights as bad:
        raise AdapterError(f"The adapter {name}: {bad.message}") from bad
    tensors = load_file(folder / LORA_WEIGHTS)
    modules = dict(model.named_modules())
    found = {}
    for module_name, weights in lora.modules.items():
        module = modules.get(module_name)
        if module is None:
            raise AdapterError(
                f"The adapter {name} is made for another model: it has no layer {module_name[:80]!r} that fits."
            )
        wanted = (getattr(module, "in_features", None), getattr(module, "out_features", None))
        if (weights.columns, weights.rows) != wanted:
            raise AdapterError(
                f"The adapter {name} is made for another model: {module_name[:80]} takes {wanted[0]} values and gives "
                f"{wanted[1]}, the adapter's weights are {weights.a.shape} and {weights.b.shape}."
            )
        scaled = tensors[weights.b_name].float() * lora.config.scaling(module_name, weights.rank)
        found[module_name] = _Pair(tensors[weights.a_name].to(device, dtype), scaled.to(device, dtype))
    return found


def _read_prefix(model: nn.Module, name: str, folder: Path, dtype: torch.dtype, device: torch.device) -> Prefix:
    compute = getattr(model, "prefix_key_values", None)
    if compute is None:
        raise AdapterError(f"The adapter {name} is a P-tuning prefix, and this model's architecture takes none.")
    weights = {
        key.rpartition(PREFIX)[2]: tensor
        for path in sorted(folder.glob("*.safetensors"))
        for key, tensor in load_file(path).items()
        if PREFIX in key
    }
    if not weights:
        raise AdapterError(
            f"The adapter {name} has neither {LORA_CONFIG} nor a prefix encoder's weights; {folder} holds no adapter."
        )
    try:
        prefix: Prefix = compute(weights)
    except (ValueError, RuntimeError, KeyError) as wrong:
        raise AdapterError(f"The adapter {name} is a prefix for another model: {wrong}") from wrong
    return [(k.to(device, dtype), v.to(device, dtype)) for k, v in prefix]


def _own_prefix(model: nn.Module, dtype: torch.dtype) -> Prefix:
    """The prefix contained in a P-tuned checkpoint."""
    prefix: Prefix = model.prefix_key_values(None)
    return [(k.to(dtype), v.to(dtype)) for k, v in prefix]
