"""Make small GGUF files, right ones and wrong ones, byte by byte: nothing is shared with the reader under test."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

U32, F32, TEXT, ARRAY, U64 = 4, 6, 8, 9, 10


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def entry(key: str, value: object) -> bytes:
    """One key with its value: int → uint32, float, str, list of str, list of int."""
    return text(key) + typed(value)


def typed(value: object) -> bytes:
    match value:
        case int():
            return struct.pack("<II", U32, value)
        case float():
            return struct.pack("<If", F32, value)
        case str():
            return struct.pack("<I", TEXT) + text(value)
        case [str(), *_]:
            return struct.pack("<IIQ", ARRAY, TEXT, len(value)) + b"".join(text(v) for v in value)
        case list():
            return struct.pack("<IIQ", ARRAY, U32, len(value)) + b"".join(struct.pack("<I", v) for v in value)
    raise TypeError(value)


LLAMA: Mapping[str, object] = {
    "general.architecture": "llama",
    "general.type": "model",
    "general.name": "Tiny",
    "general.size_label": "1K",
    "general.license": "mit",
    "general.file_type": 0,
    "llama.block_count": 2,
    "llama.context_length": 512,
    "llama.embedding_length": 8,
    "llama.feed_forward_length": 16,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.tokens": ["a", "b", "<eos>"],
    "tokenizer.ggml.scores": [1, 2, 3],
    "tokenizer.chat_template": "{{ messages }}",
}


@dataclass
class Tensor:
    name: str
    shape: tuple[int, ...]
    kind: int = 0  # F32
    offset: int | None = None  # None: where it belongs
    size: int | None = None  # None: float32


@dataclass
class GGUFFile:
    """``build`` gives the bytes; ``sections`` of the last build says where each part begins."""

    metadata: Mapping[str, object] = field(default_factory=lambda: dict(LLAMA))
    tensors: list[Tensor] = field(default_factory=lambda: [Tensor("token_embd.weight", (8, 4)), Tensor("out", (8,))])
    magic: bytes = b"GGUF"
    version: int = 3
    keys: int | None = None  # a lie about the number of keys
    count: int | None = None  # a lie about the number of tensors
    alignment: int = 32
    sections: dict[str, int] = field(default_factory=dict)

    def build(self) -> bytes:
        self.sections = {"magic": 0, "version": 4, "tensor count": 8, "key count": 16, "metadata": 24}
        out = bytearray(self.magic + struct.pack("<I", self.version))
        out += struct.pack("<Q", len(self.tensors) if self.count is None else self.count)
        out += struct.pack("<Q", len(self.metadata) if self.keys is None else self.keys)
        for key, value in self.metadata.items():
            self.sections[key] = len(out)
            out += entry(key, value)
        data = bytearray()
        for tensor in self.tensors:
            self.sections[f"tensor {tensor.name}"] = len(out)
            size = 4
            for side in tensor.shape:
                size *= side
            size = size if tensor.size is None else tensor.size
            data += b"\0" * (-len(data) % self.alignment)
            offset = len(data) if tensor.offset is None else tensor.offset
            out += text(tensor.name) + struct.pack("<I", len(tensor.shape))
            out += b"".join(struct.pack("<Q", side) for side in tensor.shape)
            out += struct.pack("<IQ", tensor.kind, offset)
            data += b"\1" * min(size, 1 << 16)
        out += b"\0" * (-len(out) % self.alignment)
        self.sections["data"] = len(out)
        return bytes(out + data)


def write_gguf(path: Path, file: GGUFFile | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((file or GGUFFile()).build())
    return path
