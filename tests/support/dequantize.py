"""A GGUF file as a Hugging Face folder, for tests: a real model at hand as GGUF can be converted back. Needs torch.

Only the LLaMA architecture with a byte-level vocabulary, as SmolLM2 has it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def to_hugging_face(gguf_path: Path, folder: Path) -> Path:
    """Write config.json, model.safetensors (float16) and the tokenizer's files; returns the folder."""
    import gguf
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    reader = gguf.GGUFReader(gguf_path)
    fields = _fields(reader)
    tensors = {name: tensor.half() for name, tensor in _tensors(reader, fields).items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _write(folder / "config.json", _config(fields, tied="lm_head.weight" not in tensors))
    _write_tokenizer(folder, fields)
    return folder


def hugging_face_tensors(gguf_path: Path) -> dict[str, Any]:
    """The weights of a LLaMA as float32, by their names in transformers."""
    import gguf

    reader = gguf.GGUFReader(gguf_path)
    return _tensors(reader, _fields(reader))


def _tensors(reader: Any, fields: dict[str, Any]) -> dict[str, Any]:
    import gguf
    import torch

    heads = {".attn_q.": fields["llama.attention.head_count"], ".attn_k.": fields["llama.attention.head_count_kv"]}
    tensors = {}
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        for mark, count in heads.items():
            if mark in tensor.name:  # the two of a rotated pair, side by side there, go half a head apart
                values = values.reshape(count, -1, 2, values.shape[-1]).swapaxes(1, 2).reshape(values.shape)
        tensors[_name(tensor.name)] = torch.from_numpy(values.astype("float32"))
    return tensors


def _fields(reader: Any) -> dict[str, Any]:
    return {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}


def _name(name: str) -> str:
    *block, kind, suffix = name.split(".")
    layer = f"model.layers.{block[1]}." if block else ""
    return f"{layer}{_NAMES[kind]}.{suffix}"


def _config(fields: dict[str, Any], *, tied: bool) -> dict[str, Any]:
    def own(key: str) -> Any:
        return fields[f"llama.{key}"]

    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": own("embedding_length"),
        "intermediate_size": own("feed_forward_length"),
        "num_hidden_layers": own("block_count"),
        "num_attention_heads": own("attention.head_count"),
        "num_key_value_heads": own("attention.head_count_kv"),
        "max_position_embeddings": own("context_length"),
        "rms_norm_eps": own("attention.layer_norm_rms_epsilon"),
        "rope_theta": own("rope.freq_base"),
        "tie_word_embeddings": tied,
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
        "torch_dtype": "float16",
    }


def _write_tokenizer(folder: Path, fields: dict[str, Any]) -> None:
    tokens, types = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    assert fields["tokenizer.ggml.pre"] == "smollm"
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    table = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": i, "content": tokens[i], "special": kind == 3} | flags
            for i, kind in enumerate(types)
            if kind in (3, 4)
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Digits", "individual_digits": True},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            ],
        },
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": fields["tokenizer.ggml.merges"],
        },
    }
    _write(folder / "tokenizer.json", table)
    special = {
        kind: tokens[fields[f"tokenizer.ggml.{name}_token_id"]]
        for kind, name in (
            ("bos_token", "bos"),
            ("eos_token", "eos"),
            ("unk_token", "unknown"),
            ("pad_token", "padding"),
        )
    }
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": fields["tokenizer.chat_template"]}
    _write(folder / "tokenizer_config.json", settings | special | {"clean_up_tokenization_spaces": False})


def _write(path: Path, table: dict[str, Any]) -> None:
    path.write_text(json.dumps(table, ensure_ascii=False), "utf-8")
