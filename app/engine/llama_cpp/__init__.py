"""Engine for GGUF models: llama.cpp's own server in a child process (:mod:`app.engine.llama_cpp.worker`)."""

from __future__ import annotations

from app.engine.base import EngineFactory
from app.engine.llama_cpp.engine import LlamaCppEngine
from app.models.engine_input import GGUF

ENGINE = EngineFactory("llama_cpp", LlamaCppEngine, takes=GGUF)
