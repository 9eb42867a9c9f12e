"""A Hugging Face LLaMA written as Meta wrote its own: the inverse of what the import does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

ROWS = ("attention.wq", "attention.wk", "attention.wv", "feed_forward.w1", "feed_forward.w3")
COLUMNS = ("attention.wo", "feed_forward.w2")
NAMES = {
    "self_attn.q_proj": "attention.wq",
    "self_attn.k_proj": "attention.wk",
    "self_attn.v_proj": "attention.wv",
    "self_attn.o_proj": "attention.wo",
    "mlp.gate_proj": "feed_forward.w1",
    "mlp.down_proj": "feed_forward.w2",
    "mlp.up_proj": "feed_forward.w3",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "ffn_norm",
}


def tensors(folder: Path) -> dict[str, Any]:
    """All weights of a Hugging Face folder."""
    from safetensors.torch import load_file

    return {k: v for path in sorted(folder.glob("*.safetensors")) for k, v in load_file(path).items()}


def write_meta(source: Path, folder: Path, shards: int, **params: Any) -> Path:
    """`source` in Meta's layout, in so many shards; `params` go into params.json."""
    import torch

    config = json.loads((source / "config.json").read_text())
    head = config["hidden_size"] // config["num_attention_heads"]
    whole: dict[str, Any] = {}
    for name, tensor in tensors(source).items():
        if name.startswith("model.layers."):
            _, _, layer, rest = name.split(".", 3)
            new = NAMES[rest.removesuffix(".weight")]
            if new in ("attention.wq", "attention.wk"):
                tensor = torch.cat([_interleaved(part) for part in tensor.split(head)])
            whole[f"layers.{layer}.{new}.weight"] = tensor
        else:
            top = {"model.embed_tokens": "tok_embeddings", "model.norm": "norm", "lm_head": "output"}
            whole[f"{top[name.removesuffix('.weight')]}.weight"] = tensor
    folder.mkdir(parents=True)
    for i in range(shards):
        held = {name: _slice(name, tensor, i, shards).clone() for name, tensor in whole.items()}
        held["rope.freqs"] = torch.ones(head // 2)
        torch.save(held, folder / f"consolidated.{i:02d}.pth")
    known = {
        "dim": config["hidden_size"],
        "n_layers": config["num_hidden_layers"],
        "n_heads": config["num_attention_heads"],
        "n_kv_heads": config["num_key_value_heads"],
        "norm_eps": config["rms_norm_eps"],
        "multiple_of": 32,
        "vocab_size": -1,
    }
    (folder / "params.json").write_text(json.dumps({**known, **params}))
    shutil.copyfile(source / "tokenizer.model", folder / "tokenizer.model")
    return folder


def _interleaved(head: Any) -> Any:
    """One head's rows: first half and second half, taken in turns."""
    import torch

    half = head.shape[0] // 2
    return torch.stack([row for i in range(half) for row in (head[i], head[half + i])])


def _slice(name: str, tensor: Any, i: int, shards: int) -> Any:
    if name.endswith("norm.weight"):
        return tensor
    by_columns = name.startswith("tok_embeddings") or any(kind in name for kind in COLUMNS)
    return tensor.chunk(shards, dim=1 if by_columns else 0)[i]
