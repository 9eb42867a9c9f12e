"""Loads a model from a folder, quantized as asked, with its tokenizer and adapters.

Depending on the checkpoint and the requested quantization:

- ChatGLM's own int4 and int8 layouts are loaded as they are; on a CPU they are then packed for fast kernels.
- ``int8`` and ``nf4`` use bitsandbytes, which quantizes while loading.
- everything else is loaded in the fastest precision of this machine (:func:`compute_dtype`).

Packed and quantized weights are cached on disk (:mod:`app.engine.torch.prepared_weights`). No code of the checkpoint is
run: no remote code, no pickles. Runs in the worker; imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig

# Registers ChatGLM, and BLOOM with an attention function that can be batched, with transformers.
import app.families.bloom
import app.families.chatglm  # noqa: F401
from app.engine.torch.adapters import Adapters, attach
from app.engine.torch.heap import giving_back
from app.engine.torch.kernels import Kernels
from app.engine.torch.packed_files import load_packed, read_checkpoint, save_packed
from app.engine.torch.prepared_weights import PreparedWeights
from app.engine.torch.tokenizing import load_tokenizer

QUANTIZATIONS = ("none", "int8", "nf4")


@dataclass(slots=True)
class Loaded:
    """A loaded model, in evaluation mode and without gradients, with everything needed to run it."""

    model: Any
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype  # of activations and of the KV cache
    eos_ids: frozenset[int]  # tokens that end a reply
    adapters: Adapters


def load(config: Mapping[str, Any]) -> Loaded:
    """Load the model that `config` (sent by :class:`app.engine.torch.engine.TorchEngine`) names.

    Raises :class:`ValueError` (with what to do) for what cannot be loaded, :class:`OSError` for what cannot be read.
    """
    transformers.logging.set_verbosity_error()  # a failure's reason is read from standard error
    transformers.logging.disable_progress_bar()
    folder = Path(config["folder"])
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model_config = AutoConfig.from_pretrained(folder, local_files_only=True)
    plan = _Plan(
        folder=folder,
        quantization=config.get("quantization") or "none",
        cache_root=Path(config["cache_dir"]) / config["model_id"] if config.get("cache_dir") else None,
        device=device,
        config=model_config,
    )
    with giving_back():
        model = plan.model().eval().requires_grad_(False)
    tokenizer = load_tokenizer(folder, model_config.model_type)
    folders = {name: Path(path) for name, path in (config.get("adapters") or {}).items()}
    return Loaded(
        model=model,
        tokenizer=tokenizer,
        device=device,
        dtype=plan.dtype,
        eos_ids=_eos_ids(model, tokenizer),
        adapters=attach(model, folders, plan.dtype),
    )


def compute_dtype(device: torch.device) -> torch.dtype:
    """The precision for `device`: 16 bits where it is as fast as float32, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if fast else torch.float32


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which folder to load, in which quantization and on which device."""

    folder: Path
    quantization: str
    cache_root: Path | None
    device: torch.device
    config: Any

    @property
    def stored_bits(self) -> int:
        """Bits per weight of a checkpoint in ChatGLM's own quantized layout; 0: not quantized."""
        return int(getattr(self.config, "quantization_bit", 0) or 0)

    @property
    def dtype(self) -> torch.dtype:
        """The precision of activations; PyTorch's packed kernels support bfloat16 only."""
        packed = self.stored_bits and self.device.type == "cpu"
        return torch.bfloat16 if packed else compute_dtype(self.device)

    def model(self) -> Any:
        """Load the model."""
        if self.stored_bits:
            if self.quantization not in ("none", f"int{self.stored_bits}"):
                raise ValueError(
                    f"These weights are already int{self.stored_bits} and can't be loaded as {self.quantization}. "
                    "Choose int{self.stored_bits}, or download the unquantized model."
                )
            return self._packed() if self.device.type == "cpu" else self._read(self.folder)
        if self.quantization == "none":
            return self._read(self.folder)
        if self.quantization in QUANTIZATIONS:
            return self._bitsandbytes()
        raise ValueError(f"There is no quantization {self.quantization!r}; choose one of {', '.join(QUANTIZATIONS)}.")

    def _read(self, folder: Path, **quantization: Any) -> Any:
        return AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=self.dtype,
            attn_implementation="sdpa",
            use_safetensors=True,
            local_files_only=True,
            device_map={"": self.device.type},
            **quantization,
        )

    def _packed(self) -> Any:
        prepared = self._prepared("packed")
        if prepared and prepared.folder:
            return load_packed(prepared.folder, self.config, self.dtype)
        model = read_checkpoint(self.folder, self.config, self.dtype)
        if prepared:
            prepared.store(lambda place: save_packed(model, place), _size_bytes(model))
        return model

    def _bitsandbytes(self) -> Any:
        """Quantize, and save before the first forward pass: with AVX512-BF16 that repacks 4-bit weights in place."""
        prepared = self._prepared(self.quantization)
        if prepared and prepared.folder:
            return self._read(prepared.folder)
        model = self._read(self.folder, quantization_config=self._bitsandbytes_config())
        if prepared:
            prepared.store(model.save_pretrained, _size_bytes(model))
        return model

    def _bitsandbytes_config(self) -> BitsAndBytesConfig:
        if self.quantization == "int8":
            return BitsAndBytesConfig(load_in_8bit=True)
        return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=self.dtype)

    def _prepared(self, kind: str) -> PreparedWeights | None:
        if self.cache_root is None:
            return None
        made_with = (
            torch.__version__,
            Kernels.of_this_machine().layout if kind == "packed" else version("bitsandbytes"),
            torch.backends.cpu.get_cpu_capability(),
            self.device.type,
            str(self.dtype),
        )
        return PreparedWeights(self.cache_root, self.folder, kind, made_with)


def _eos_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """All tokens that end a reply according to the checkpoint, including ChatGLM3's role tokens of the next turn."""
    found: set[int] = set(getattr(tokenizer, "stop_token_ids", ()))
    for source in (model.generation_config, model.config, tokenizer):
        ids = getattr(source, "eos_token_id", None)
        found.update(ids if isinstance(ids, list | tuple) else [] if ids is None else [ids])
    return frozenset(found)


def _size_bytes(model: Any) -> int:
    tensors = [*model.parameters(), *model.buffers()]
    return sum(t.numel() * t.element_size() for t in tensors)
