"""Import of Meta's LLaMA files: ``consolidated.NN.pth``, ``params.json`` and ``tokenizer.model``.

``params.json`` has the dimensions but not the context length: 2,048 tokens for LLaMA 1, 4,096 for LLaMA 2. LLaMA 2 is
recognized by keys that only it has, ``n_kv_heads`` or ``ffn_dim_multiplier``, or, at 7B and 13B, by the larger
``norm_eps``. The default is 2,048.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import InvalidImport
from app.weights.formats.checkpoint import CONFIG, inside, listing, read_config
from app.weights.formats.safetensors import TensorInfo, read_tensors
from app.weights.importing.llama_tokenizer import CHAT_TEMPLATE, refuse_llama3, tokenizer_files
from app.weights.importing.source import ImportSource, jobs_of, plain_name

PARAMS, TOKENIZER, CHECKLIST = "params.json", "tokenizer.model", "checklist.chk"
FIRST_SHARD = "consolidated.00.pth"
_MAX_CHECKLIST_BYTES = 1 << 16
_CHECK = re.compile(r"([0-9a-f]{32}) [ *](\S+)")
_SHARD = re.compile(r"consolidated\.(\d\d)\.pth")
_MAX_WIDTH, _MAX_LAYERS, _MAX_HEADS = 1 << 16, 512, 1024
_ROTARY_BASE = 10_000.0
_LONG_ROTARY_BASE = 1e6  # Code Llama, with a context of 16,384 tokens
_DTYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32"}


@dataclass(frozen=True, slots=True)
class MetaFolder:
    """A model in Meta's layout, with validated `params`."""

    folder: Path
    shards: tuple[Path, ...]
    tokenizer: Path | None
    params: Mapping[str, Any]

    @property
    def weights(self) -> Mapping[str, Any]:
        """The worker's description of these weights."""
        p = self.params
        figures = {"width": p["dim"], "layers": p["n_layers"], "heads": p["n_heads"], "kv_heads": self.kv_heads}
        return {"kind": "llama", "files": [str(path.absolute()) for path in self.shards], "params": figures}

    @property
    def kv_heads(self) -> int:
        """The number of key-value heads."""
        return int(self.params.get("n_kv_heads") or self.params["n_heads"])

    @property
    def size_bytes(self) -> int:
        """Bytes of all shards."""
        return sum(path.stat().st_size for path in self.shards)

    @property
    def context_tokens(self) -> int:
        """The context length in training."""
        p = self.params
        if float(p.get("rope_theta", 0)) >= _LONG_ROTARY_BASE:
            return 16384
        newer = "n_kv_heads" in p or "ffn_dim_multiplier" in p
        return 4096 if newer or (float(p.get("norm_eps", 0)) >= 1e-5 and p["n_heads"] <= 40) else 2048


def is_meta(names: list[str]) -> bool:
    """Whether a folder with these files is in Meta's layout."""
    return any(_SHARD.fullmatch(name) for name in names)


def find_meta(folder: Path) -> MetaFolder:
    """Validate a folder. Raises :class:`InvalidImport`, :class:`~app.errors.DamagedWeights`."""
    shards = [name for name in listing(folder) if _SHARD.fullmatch(name)]
    for i in range(len(shards)):
        inside(folder, f"consolidated.{i:02d}.pth")  # raises for a missing one, by name
    if not shards:
        raise InvalidImport(f"{folder} holds no {FIRST_SHARD}. Name the folder with Meta's files.")
    inside(folder, PARAMS)
    params = read_config(folder, PARAMS)
    _check(folder, params)
    beside = [place for place in (folder, folder.parent) if (place / TOKENIZER).exists()]
    tokenizer = inside(beside[0], TOKENIZER) if beside else None
    return MetaFolder(folder, tuple(inside(folder, name) for name in shards), tokenizer, params)


def inspect_meta(folder: Path) -> ImportSource:
    """Raises :class:`InvalidImport`, :class:`~app.errors.DamagedWeights`."""
    found = find_meta(folder)
    if found.tokenizer is None:
        raise InvalidImport(f"Neither {folder} nor its parent has {TOKENIZER}. Copy Meta's there.")
    refuse_llama3(found.tokenizer)
    context = found.context_tokens
    template = CHAT_TEMPLATE if context == 4096 and "chat" in folder.name.lower() else ""
    texts: dict[str, Path | str] = {TOKENIZER: found.tokenizer}
    texts |= tokenizer_files(found.tokenizer, context, template)
    texts["generation_config.json"] = json.dumps({"bos_token_id": 1, "eos_token_id": 2})
    return ImportSource(
        folder=folder,
        name=plain_name(folder),
        kind="model",
        inputs=(*found.shards, folder / PARAMS, found.tokenizer),
        jobs=jobs_of(found.weights, found.size_bytes),
        texts=texts,
        md5=_checklist(found),
        finish=lambda target: _write_config(found, target),
        notes=(f"params.json does not give the context length; assuming {context:,} tokens.",),
    )


def _checklist(found: MetaFolder) -> dict[Path, str]:
    """The MD5 of each shard, if Meta's checklist is in the folder."""
    if not (found.folder / CHECKLIST).exists():
        return {}
    with inside(found.folder, CHECKLIST).open(encoding="utf-8", errors="replace") as file:
        digests = {name: md5 for md5, name in _CHECK.findall(file.read(_MAX_CHECKLIST_BYTES))}
    return {path: digests[path.name] for path in found.shards if path.name in digests}


def _check(folder: Path, params: Mapping[str, Any]) -> None:
    limits = {"dim": _MAX_WIDTH, "n_layers": _MAX_LAYERS, "n_heads": _MAX_HEADS}
    if params.get("n_kv_heads") is not None:
        limits["n_kv_heads"] = _MAX_HEADS
    for key, most in limits.items():
        value = params.get(key)
        if type(value) is not int or not 0 < value <= most:
            raise InvalidImport(f"{folder / PARAMS} says {key} = {str(value)[:40]}. Download it again.")
    heads, kv_heads = params["n_heads"], params.get("n_kv_heads") or params["n_heads"]
    if params["dim"] % (2 * heads) or heads % kv_heads:
        raise InvalidImport(f"{folder / PARAMS} has heads that don't divide its hidden size. Download it again.")
    for key in ("norm_eps", "rope_theta"):
        value = params.get(key, 1e-5)
        if type(value) not in (int, float) or not 0 < value < 1e12:
            raise InvalidImport(f"{folder / PARAMS} says {key} = {str(value)[:40]}. Download it again.")


def _write_config(found: MetaFolder, target: Path) -> None:
    """Write ``config.json``; sizes missing in params.json are taken from the weights."""
    tensors: dict[str, TensorInfo] = {}
    for path in target.glob("*.safetensors"):
        tensors |= read_tensors(path)
    embedding = tensors["model.embed_tokens.weight"]
    p = found.params
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": p["dim"],
        "intermediate_size": tensors["model.layers.0.mlp.gate_proj.weight"].shape[0],
        "num_hidden_layers": p["n_layers"],
        "num_attention_heads": p["n_heads"],
        "num_key_value_heads": found.kv_heads,
        "rms_norm_eps": p.get("norm_eps", 1e-5),
        "rope_theta": p.get("rope_theta", _ROTARY_BASE),
        "max_position_embeddings": found.context_tokens,
        "vocab_size": embedding.shape[0],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": False,
        "torch_dtype": _DTYPES.get(embedding.dtype, "float16"),
    }
    (target / CONFIG).write_text(json.dumps(config, indent=2), "utf-8")
