"""BLOOM (and BLOOMZ, and BELLE's models based on it) for transformers 5; importing this registers the ``Auto`` classes.

transformers' own BLOOM has a fixed attention implementation. This one uses a configurable attention function, as newer
architectures do: transformers' own, or that of the slots of Parley's engine. Configuration, tensor names and results
are the same, so published folders load unchanged.
"""

from __future__ import annotations

from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification, BloomConfig

from app.families.bloom.modeling import BloomForCausalLM, BloomForSequenceClassification, BloomModel

__all__ = ["BloomConfig", "BloomForCausalLM", "BloomForSequenceClassification", "BloomModel"]

AutoModel.register(BloomConfig, BloomModel, exist_ok=True)
AutoModelForCausalLM.register(BloomConfig, BloomForCausalLM, exist_ok=True)
AutoModelForSequenceClassification.register(BloomConfig, BloomForSequenceClassification, exist_ok=True)
