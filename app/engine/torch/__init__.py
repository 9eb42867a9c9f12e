"""Engine for Hugging Face checkpoints: PyTorch with continuous batching, in a child process.

Importing this loads neither torch nor transformers: only the worker (:mod:`app.engine.torch.worker`) does.
"""

from __future__ import annotations

from app.engine.base import EngineFactory
from app.engine.torch.engine import TorchEngine
from app.models.engine_input import CHECKPOINT

ENGINE = EngineFactory(
    "torch",
    TorchEngine,
    takes=CHECKPOINT,
    extra="torch",
    requires=("torch", "transformers", "safetensors", "sentencepiece"),
)
