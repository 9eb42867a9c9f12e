"""Writes a random ChatGLM-6B in the layout of the published checkpoints, for measurements and tests.

    python -m benchmarks.random_chatglm FOLDER                              int4 with a quantized embedding, 3.1 GB
    python -m benchmarks.random_chatglm FOLDER --bits 16 --layers 2         any other
    python -m benchmarks.random_chatglm FOLDER --tokenizer ice_text.model   with its tokenizer

Speed and memory are those of the real model; its text is noise. The numbers are determined by the seed and the tensor's
name. It is written shard by shard and needs little memory. Scales keep activations near 1 and logits distinct.
"""

from __future__ import annotations

import argparse
import json
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

LAYERS_PER_SHARD = 4
_INT4_RMS, _INT8_RMS = 4.64, 73.9  # of uniform values -8..7 and -128..127
_HEAD_STD = 0.02


@dataclass(frozen=True)
class Shape:
    """The published model's sizes."""

    layers: int = 28
    hidden: int = 4096
    inner: int = 16384
    heads: int = 32
    vocabulary: int = 130528

    def linears(self) -> dict[str, tuple[int, int]]:
        """The matrices of a layer, [out, in]."""
        return {
            "attention.query_key_value": (3 * self.hidden, self.hidden),
            "attention.dense": (self.hidden, self.hidden),
            "mlp.dense_h_to_4h": (self.inner, self.hidden),
            "mlp.dense_4h_to_h": (self.hidden, self.inner),
        }


@dataclass(frozen=True)
class RandomChatGLM:
    """Generates the tensors. ``bits``: 4, 8 or 16."""

    shape: Shape = Shape()
    bits: int = 4
    quantized_embeddings: bool = True
    seed: int = 0

    def write(self, folder: Path, tokenizer: Path | None = None) -> None:
        """Write config.json, shards, their index, and the tokenizer if one is given. Replaces existing files."""
        folder.mkdir(parents=True, exist_ok=True)
        shards = -(-self.shape.layers // LAYERS_PER_SHARD) + 2
        weight_map: dict[str, str] = {}
        total_size = 0
        for number, tensors in enumerate(self._shards(), 1):
            name = f"model-{number:05}-of-{shards:05}.safetensors"
            save_file(tensors, folder / name, metadata={"format": "pt"})
            weight_map |= dict.fromkeys(tensors, name)
            total_size += sum(tensor.nbytes for tensor in tensors.values())
            print(f"{name}: {len(tensors)} tensors", flush=True)
            tensors.clear()
        index = {"metadata": {"total_size": total_size}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")
        (folder / "config.json").write_text(json.dumps(self.config(), indent=1), encoding="utf-8")
        if tokenizer is not None:
            shutil.copyfile(tokenizer, folder / "ice_text.model")
            if (settings := tokenizer.with_name("tokenizer_config.json")).is_file():
                shutil.copyfile(settings, folder / settings.name)

    def config(self) -> dict[str, object]:
        """The published config.json."""
        config: dict[str, object] = {
            "_name_or_path": "THUDM/chatglm-6b",
            "architectures": ["ChatGLMModel"],
            "auto_map": {
                "AutoConfig": "configuration_chatglm.ChatGLMConfig",
                "AutoModel": "modeling_chatglm.ChatGLMForConditionalGeneration",
                "AutoModelForSeq2SeqLM": "modeling_chatglm.ChatGLMForConditionalGeneration",
            },
            "bos_token_id": 130004,
            "eos_token_id": 130005,
            "mask_token_id": 130000,
            "gmask_token_id": 130001,
            "pad_token_id": 3,
            "hidden_size": self.shape.hidden,
            "inner_hidden_size": self.shape.inner,
            "layernorm_epsilon": 1e-05,
            "max_sequence_length": 2048,
            "model_type": "chatglm",
            "num_attention_heads": self.shape.heads,
            "num_layers": self.shape.layers,
            "position_encoding_2d": True,
            "torch_dtype": "float16",
            "transformers_version": "4.23.1",
            "use_cache": True,
            "vocab_size": self.shape.vocabulary,
        }
        if self.bits < 16:
            config |= {"quantization_bit": self.bits, "quantization_embeddings": self.quantized_embeddings}
        return config

    def _shards(self) -> Iterator[dict[str, Tensor]]:
        bits = self.bits if self.quantized_embeddings else 16
        hidden = self.shape.hidden
        size = (self.shape.vocabulary, hidden)
        words = "transformer.word_embeddings"
        yield self._matrix(words, size, bits, _HEAD_STD)
        for first in range(0, self.shape.layers, LAYERS_PER_SHARD):
            tensors: dict[str, Tensor] = {}
            for number in range(first, min(first + LAYERS_PER_SHARD, self.shape.layers)):
                tensors |= self._layer(f"transformer.layers.{number}")
            yield tensors
        head = self._matrix(words, size, bits, _HEAD_STD)
        norm = self._norm("transformer.final_layernorm", hidden)
        yield norm | {name.replace(words, "lm_head"): tensor for name, tensor in head.items()}

    def _layer(self, prefix: str) -> dict[str, Tensor]:
        hidden = self.shape.hidden
        tensors = self._norm(f"{prefix}.input_layernorm", hidden)
        tensors |= self._norm(f"{prefix}.post_attention_layernorm", hidden)
        for name, (rows, columns) in self.shape.linears().items():
            full = f"{prefix}.{name}"
            tensors |= self._matrix(full, (rows, columns), self.bits, columns**-0.5)
            tensors[f"{full}.bias"] = self._normal(f"{full}.bias", (rows,), 0.02)
        pairs = hidden // self.shape.heads // 4
        inverse = 10_000.0 ** -(torch.arange(pairs) / pairs)
        tensors[f"{prefix}.attention.rotary_emb.inv_freq"] = inverse.half()
        return tensors

    def _matrix(self, name: str, size: tuple[int, int], bits: int, std: float) -> dict[str, Tensor]:
        """The tensors of one matrix [out, in] with about the standard deviation `std`."""
        weight = f"{name}.weight"
        if bits == 16:
            return {weight: self._normal(weight, size, std)}
        rows, columns = size
        random = self._generator(weight)
        stored = torch.randint(0, 256, (rows, columns * bits // 8), dtype=torch.uint8, generator=random)
        spread = 0.8 + 0.4 * torch.rand(rows, generator=random)
        scale = spread * std / (_INT4_RMS if bits == 4 else _INT8_RMS)
        return {weight: stored.view(torch.int8), f"{weight}_scale": scale.half()}

    def _norm(self, name: str, size: int) -> dict[str, Tensor]:
        return {
            f"{name}.weight": self._normal(f"{name}.weight", (size,), 0.1) + 1,
            f"{name}.bias": self._normal(f"{name}.bias", (size,), 0.1),
        }

    def _normal(self, name: str, size: tuple[int, ...], std: float) -> Tensor:
        """Normal values in float16, generated in slices: float32 would need twice the memory."""
        values = torch.empty(size, dtype=torch.float16)
        random = self._generator(name)
        for part in torch.split(values, 4096):
            part.copy_(torch.randn(part.shape, generator=random).mul_(std))
        return values

    def _generator(self, name: str) -> torch.Generator:
        return torch.Generator().manual_seed(zlib.crc32(f"{self.seed} {name}".encode()))


def main(arguments: list[str] | None = None) -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bits", type=int, choices=(4, 8, 16), default=4)
    parser.add_argument("--layers", type=int, default=Shape.layers)
    parser.add_argument("--no-quantized-embeddings", action="store_true", help="embedding and head in half precision")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tokenizer", type=Path, help="an ice_text.model to copy, with its tokenizer_config.json")
    given = parser.parse_args(arguments)
    model = RandomChatGLM(Shape(given.layers), given.bits, not given.no_quantized_embeddings, given.seed)
    model.write(given.folder, given.tokenizer)


if __name__ == "__main__":
    main()
