"""BLOOM (and BLOOMZ, and BELLE's models on top of it) for transformers 5, known to its ``Auto`` classes after this.

transformers has a BLOOM of its own, which computes attention in a way that no other attention function can take the
place of. This one leaves attention to whichever function is chosen, as newer architectures do: transformers' own, or
the slots of Parley's engine. Configuration, names and results are the same, so published folders load as they are.
"""

from __future__ import annotations

from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification, BloomConfig

from app.families.bloom.modeling import BloomForCausalLM, BloomForSequenceClassification, BloomModel

__all__ = ["BloomConfig", "BloomForCausalLM", "BloomForSequenceClassification", "BloomModel"]

AutoModel.register(BloomConfig, BloomModel, exist_ok=True)
AutoModelForCausalLM.register(BloomConfig, BloomForCausalLM, exist_ok=True)
AutoModelForSequenceClassification.register(BloomConfig, BloomForSequenceClassification, exist_ok=True)
