"""What a GGUF file is for: some have the suffix and are no chat models.

Architectures by https://github.com/ggml-org/llama.cpp/blob/master/src/llama-arch.cpp; files of image, speech and video
models are written by other programs (ComfyUI, whisper.cpp) with names of their own.
"""

from __future__ import annotations

from app.weights.formats.gguf import GGUFHeader

ADAPTER = "a LoRA adapter"
_KINDS = {
    "adapter": ADAPTER,
    "mmproj": "the projector of a vision model",
    "imatrix": "an importance matrix",
    "vocab": "a vocabulary without weights",
}
_EMBEDDING = {
    *("bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "neo-bert", "modern-bert", "eurobert"),
    *("gemma-embedding", "t5encoder", "llama-embed"),
}
_PICTURES = {
    *("flux", "sd1", "sdxl", "sd3", "aura", "ltxv", "hyvid", "wan", "hidream", "cosmos", "lumina2", "qwen_image"),
    *("pig", "kontext"),
}
_OTHERS = {
    "clip": "the projector of a vision model",
    "wavtokenizer-dec": "a decoder of speech",
    "whisper": "a model that recognizes speech",
    **dict.fromkeys(_PICTURES, "a model that makes pictures"),
}


def other_purpose(header: GGUFHeader) -> str:
    """What the file is, such as ``an embedding model``; empty for a chat model, and for a later part of one."""
    if header.part:
        return ""
    if header.kind != "model":
        return _KINDS.get(header.kind, f"of the type {header.kind[:40]!r}")
    if header.architecture in _OTHERS:
        return _OTHERS[header.architecture]
    if header.architecture in _EMBEDDING or header.pooling:
        return "an embedding model"
    if header.tensors == 0:
        return _KINDS["vocab"]
    return "" if header.has_tokenizer else "a model without a tokenizer"
