"""Models of a few thousand weights with real tokenizers, made on the spot: for tests that train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sentencepiece
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from app.families.chatglm import ChatGLMConfig, ChatGLMTokenizer
from app.families.chatglm2.configuration import ChatGLM2Config
from app.families.chatglm2.tokenization import ChatGLM2Tokenizer, ChatGLM3Tokenizer

GENERATIONS = (1, 2, 3)
_SENTENCES = (
    "Name a fruit. An apple is a fruit, and so is a pear.",
    "How are you? I am fine, thank you, and how are you?",
    "写一首诗。春眠不觉晓，处处闻啼鸟。",
    "你好！我是一个小模型，什么也不知道。",
    "Count: 0 1 2 3 4 5 6 7 8 9, then stop.",
)
# ChatGLM-6B's special tokens are pieces of its file; those of the later ones are not.
_PIECES_OF_THE_FIRST = {
    "control_symbols": ["[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<pad>"],
    "user_defined_symbols": ["<n>", "<|tab|>"],
}


def tokenizer(generation: int, folder: Path) -> Any:
    """A tokenizer of a few hundred pieces."""
    text = folder / "text.txt"
    text.write_text("\n".join(_SENTENCES * 20), encoding="utf-8")
    name = "ice_text" if generation == 1 else "tokenizer"
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(folder / name),
        vocab_size=420,
        hard_vocab_limit=False,
        byte_fallback=True,
        minloglevel=2,
        **(_PIECES_OF_THE_FIRST if generation == 1 else {}),
    )
    pieces = str(folder / f"{name}.model")
    if generation == 1:
        return ChatGLMTokenizer(pieces, num_image_tokens=0)
    return (ChatGLM2Tokenizer if generation == 2 else ChatGLM3Tokenizer)(pieces)


def config(generation: int, tokenizer: Any) -> Any:
    """Two layers of 64: bitsandbytes packs 4-bit weights in blocks of 64."""
    if generation == 1:
        return ChatGLMConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            inner_hidden_size=128,
            num_layers=2,
            num_attention_heads=4,
            max_sequence_length=128,
            mask_token_id=tokenizer.mask_token_id,
            gmask_token_id=tokenizer.gmask_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    return ChatGLM2Config(
        padded_vocab_size=len(tokenizer),
        hidden_size=64,
        ffn_hidden_size=64,
        kv_channels=16,
        num_layers=2,
        num_attention_heads=4,
        seq_length=128,
    )


def model(generation: int, tokenizer: Any, *, reward: bool = False) -> Any:
    """The same weights every time."""
    torch.manual_seed(generation)
    its = config(generation, tokenizer)
    if reward:
        its.num_labels = 1
        return AutoModelForSequenceClassification.from_config(its)
    return AutoModelForCausalLM.from_config(its)
