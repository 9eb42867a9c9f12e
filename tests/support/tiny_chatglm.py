"""Tiny ChatGLM folders in the layout of the published ones, their vocabularies trained on the spot; needs extra torch.

They answer nonsense, in Chinese and English.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

_SENTENCES = [
    "河水从山上流下来，流过村庄和田野。",
    "今天天气很好，我们一起去公园散步吧。",
    "你好！我是一个很小的模型，什么都不知道。",
    "北京是中国的首都，上海是最大的城市之一。",
    "请介绍一下你自己，然后写一首关于春天的诗。",
    "The river flows down from the mountain, past villages and fields.",
    "Today the weather is fine; let us walk in the park together.",
    "Hello! I am a very small model and know nothing at all.",
    "Please tell me about yourself, and then write a poem about spring.",
    "问：为什么天空是蓝色的？答：因为阳光在空气中散射。",
    "Why is the sky blue? Because light is scattered by the air.",
]
_SPECIAL = ["[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>"]
_TEXT = ["<n>", "<|tab|>", *(f"<|blank_{n}|>" for n in range(2, 81))]
_CONTEXT_TOKENS = 512


def tiny_chatglm(folder: Path, generation: int, *, hidden: int = 64, layers: int = 2) -> Path:
    """A random ChatGLM of the first, second or third `generation` in `folder`, float16; returns the folder."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoConfig, AutoModelForCausalLM

    import app.families.chatglm  # noqa: F401

    folder.mkdir(parents=True)
    vocabulary = _vocabulary(generation)
    (folder / ("ice_text.model" if generation == 1 else "tokenizer.model")).write_bytes(vocabulary)
    (folder / "tokenizer_config.json").write_text(json.dumps(_tokenizer_config(generation)))
    config = _config(generation, vocabulary, hidden, layers)
    (folder / "config.json").write_text(json.dumps(config))
    torch.manual_seed(generation)
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    tensors = {
        name: (tensor * 8 if tensor.dim() == 2 else tensor).half().contiguous()  # livelier than an untrained one
        for name, tensor in model.state_dict().items()
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def tiny_lora(base: Path, folder: Path, *, rank: int = 4) -> Path:
    """A random LoRA for the attention of the ChatGLM in `base`, in PEFT's layout."""
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    import app.families.chatglm  # noqa: F401

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = peft.LoraConfig(r=rank, target_modules=["query_key_value"], base_model_name_or_path=str(base))
    adapted = peft.get_peft_model(model, config)
    torch.manual_seed(rank)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.4)
    adapted.save_pretrained(folder)
    return folder


def tiny_prefix(base: Path, folder: Path, *, length: int = 6) -> Path:
    """A random P-tuning v2 prefix for the first-generation ChatGLM in `base`, as its training saves it."""
    import torch
    from safetensors.torch import save_file

    config = json.loads((base / "config.json").read_text())
    width = 2 * config["num_layers"] * config["hidden_size"]
    torch.manual_seed(length)
    folder.mkdir(parents=True)
    save_file({"transformer.prefix_encoder.embedding.weight": torch.randn(length, width)}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"pre_seq_len": length, "base": base.name}))
    return folder


def _vocabulary(generation: int) -> bytes:
    import sentencepiece

    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_SENTENCES * 3),
        model_writer=trained,
        vocab_size=640 if generation == 1 else 560,
        model_type="bpe",
        byte_fallback=True,
        hard_vocab_limit=False,
        pad_id=3 if generation == 1 else -1,
        control_symbols=_SPECIAL if generation == 1 else [],
        user_defined_symbols=_TEXT if generation == 1 else [],
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        minloglevel=2,
    )
    return trained.getvalue()


def _tokenizer_config(generation: int) -> dict[str, Any]:
    code = {"auto_map": {"AutoTokenizer": ["tokenization_chatglm.ChatGLMTokenizer", None]}}
    if generation == 1:
        return {"tokenizer_class": "ChatGLMTokenizer", "num_image_tokens": 0, "remove_space": False, **code}
    roles = {"additional_special_tokens": ["<|user|>", "<|assistant|>"]} if generation == 3 else {}
    return {"tokenizer_class": "ChatGLMTokenizer", "padding_side": "left", **roles, **code}


def _config(generation: int, vocabulary: bytes, hidden: int, layers: int) -> dict[str, Any]:
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_proto=vocabulary)
    size = pieces.get_piece_size()
    common = {
        "_name_or_path": f"THUDM/chatglm{generation if generation > 1 else ''}-6b",
        "architectures": ["ChatGLMModel"],
        "auto_map": {"AutoConfig": "configuration_chatglm.ChatGLMConfig"},
        "model_type": "chatglm",
        "hidden_size": hidden,
        "num_attention_heads": 4,
        "num_layers": layers,
        "layernorm_epsilon": 1e-5,
        "torch_dtype": "float16",
        "use_cache": True,
    }
    if generation == 1:
        ids = {"bos": "<sop>", "eos": "<eop>", "mask": "[MASK]", "gmask": "[gMASK]", "pad": "<pad>"}
        return {
            **common,
            **{f"{name}_token_id": pieces.piece_to_id(piece) for name, piece in ids.items()},
            "inner_hidden_size": 4 * hidden,
            "max_sequence_length": _CONTEXT_TOKENS,
            "position_encoding_2d": True,
            "tie_word_embeddings": False,  # an untrained tied head only repeats the last token
            "vocab_size": size,
        }
    return {
        **common,
        "add_bias_linear": False,
        "add_qkv_bias": True,
        "eos_token_id": 2,
        "ffn_hidden_size": 3 * hidden,
        "kv_channels": hidden // 4,
        "multi_query_attention": True,
        "multi_query_group_num": 2,
        "original_rope": True,
        "pad_token_id": 0,
        "padded_vocab_size": size + 64,
        "post_layer_norm": True,
        "rmsnorm": True,
        "seq_length": _CONTEXT_TOKENS,
        "tie_word_embeddings": False,
    }
