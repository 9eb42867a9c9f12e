"""Repositories as they might lie on a hub, and manifests of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.models.manifest import Manifest
from app.weights.progress import Progress
from app.weights.sources import HubSource, ModelFile
from tests.support.gguf_files import GGUFFile, Tensor
from tests.support.safetensors_files import write_llama

GGUF_NAME = "tiny-q4_k_m.gguf"


def large_gguf(seed: int = 0) -> bytes:
    """More than half a megabyte: enough pieces to be cut somewhere."""
    return GGUFFile(tensors=[Tensor(f"blk.{n}.weight{seed}", (128, 128)) for n in range(9)]).build()


def llama_files(folder: Path) -> dict[str, bytes]:
    """A small checkpoint as safetensors, with what lies beside it on a hub."""
    write_llama(folder)
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    left = {
        "README.md": b"# Tiny",
        "modeling_tiny.py": b"raise SystemExit",
        "onnx/model.onnx": b"x",
        "tf_model.h5": b"x",
    }
    return files | left | {"pytorch_model.bin": b"never fetched", "trainer_state.json": b"{}"}


def gguf_manifest(**changes: Any) -> Manifest:
    """Of the repository tiny/gguf with one file."""
    given: dict[str, Any] = {
        "id": "tiny",
        "title": "Tiny",
        "family": "native",
        "engine": "llama_cpp",
        "source": HubSource("tiny/gguf"),
        "files": (ModelFile(GGUF_NAME),),
    }
    return Manifest(**(given | changes))


def torch_manifest(**changes: Any) -> Manifest:
    """Of the repository tiny/model, without a list of files."""
    given: dict[str, Any] = {
        "id": "tiny-llama",
        "title": "Tiny LLaMA",
        "family": "",
        "engine": "torch",
        "source": HubSource("tiny/model"),
    }
    return Manifest(**(given | changes))


def nobody(_progress: Progress) -> None:
    """No one watches."""


def never() -> bool:
    """No one stops it."""
    return False
