"""Maps the target modules of LoRA weights to the tensors of a GGUF file.

A module's name is the part before ``.lora_A.weight`` in PEFT's files: ``model.layers.3.self_attn.q_proj`` is
``blk.3.attn_q.weight``. Only the linear layers of the blocks are listed: llama.cpp adds LoRA to no others of these
architectures as PEFT does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from app.weights.architectures import lora_tensors

_BLOCK = re.compile(r"(?:model\.layers|layers|transformer\.h|h)\.(?P<layer>0|[1-9]\d{0,3})\.(?P<part>[a-z_0-9.]+)")
_NOT_A_LAYER = ("embed_tokens", "word_embeddings", "lm_head")


class UnknownModule(ValueError):
    """A module without a GGUF tensor; the message completes the sentence that begins with the adapter's name."""


def base_tensors(architecture: str, modules: Iterable[str]) -> dict[str, str]:
    """Tensor name → module. Raises :class:`UnknownModule`, also for two modules with the same tensor."""
    found: dict[str, str] = {}
    for module in modules:
        tensor = base_tensor(architecture, module)
        if tensor in found:
            raise UnknownModule(f"has weights for {module[:80]} twice, under two names. Train it again")
        found[tensor] = module
    return found


def base_tensor(architecture: str, module: str) -> str:
    """The base model's tensor for `module`, such as ``blk.3.attn_q.weight``. Raises :class:`UnknownModule`."""
    layers = lora_tensors()
    names = layers.get(architecture)
    if names is None:
        known = ", ".join(layers)
        raise UnknownModule(
            f"can't be applied to a GGUF model of the architecture {architecture[:40]!r}; supported are {known}"
        )
    if any(part in module.split(".") for part in _NOT_A_LAYER):
        raise UnknownModule(
            f"changes {module[:80]}; on a GGUF model, an adapter may change only the linear layers of the blocks. "
            "Merge it into its base model"
        )
    match = _BLOCK.fullmatch(module)
    name = names.get(match["part"]) if match else None
    if match is None or name is None:
        raise UnknownModule(f"is made for another model: it changes the layer {module[:80]}, which does not exist")
    return f"blk.{match['layer']}.{name}.weight"
