"""Tiny Hugging Face folders of LLaMA, Qwen2, Qwen3 and BLOOM, their tokenizers trained on the spot; needs extra torch.

Widths and vocabularies are tiny, everything else is as published: file names, tokenizer settings, the patterns that
cut a text into words, chat templates. The weights are random (seeded), so they answer nonsense.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

_SENTENCES = [
    "The river flows down from the mountain, past villages and fields.",
    "Today the weather is fine; let us walk in the park together. It's 25 degrees, isn't it?",
    "Please tell me about yourself, and then write a poem about spring.",
    "河水从山上流下来，流过村庄和田野。今天天气很好，我们一起去公园散步吧。",
    "你好！请介绍一下你自己，然后写一首关于春天的诗。問：為什麼天空是藍色的？",
    "Река течёт с горы, мимо деревень и полей. Сегодня хорошая погода.",
    "يجري النهر من الجبل ويمر بالقرى والحقول. الطقس جميل اليوم.",
    "川は山から流れて、村と畑を通ります。今日はいい天気ですね。",
    "def add(a, b):\n    return a + b\n\n\tfor i in range(10):\n\t\tprint(i, add(i, 2) * 3.14)\n",
    "😀 😀 👍🏽 👨‍👩‍👧 🇨🇳 → 12345 67 890",
]
# What cuts a text into words, as the published tokenizers have it.
QWEN2_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3_WORDS = QWEN2_WORDS.replace(r"\p{N}| ?", r"\p{N}{1,3}| ?")
BLOOM_WORDS = " ?[^(\\s|[.,!?…。，、।۔،])]+"

LLAMA_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'system' %}{{ bos_token + '<<SYS>> ' + message['content'] }}"
    "{% elif message['role'] == 'user' %}{{ bos_token + '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'] + ' ' + eos_token }}{% endif %}{% endfor %}"
)
CHATML_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_LLAMA_TOKENS = 600
_BYTE_LEVEL_TOKENS = 500


def tiny_llama(folder: Path, **overrides: Any) -> Path:
    """A random LLaMA in `folder`, with a SentencePiece vocabulary; `overrides` go into its configuration."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    write_sentencepiece(folder)
    shape = _grouped() | {"vocab_size": _LLAMA_TOKENS, "bos_token_id": 1, "eos_token_id": 2} | overrides
    return _save(folder, LlamaForCausalLM, LlamaConfig(**shape))


def tiny_llama3(folder: Path, **overrides: Any) -> Path:
    """A random LLaMA of the third generation in `folder`: a byte-level vocabulary, and angles slowed in part."""
    from transformers import LlamaConfig, LlamaForCausalLM

    ids = write_llama3_tokenizer(folder)
    angles = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    angles |= {"original_max_position_embeddings": 64, "rope_theta": 500000.0}
    return _save(folder, LlamaForCausalLM, LlamaConfig(**(_grouped() | ids | {"rope_parameters": angles} | overrides)))


def tiny_qwen2(folder: Path, **overrides: Any) -> Path:
    """A random Qwen2 (2.5 is the same) in `folder`, with a byte-level vocabulary."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    ids = write_qwen2_tokenizer(folder)
    return _save(folder, Qwen2ForCausalLM, Qwen2Config(**(_grouped() | ids | overrides)))


def tiny_qwen3(folder: Path, **overrides: Any) -> Path:
    """A random Qwen3 in `folder`: its heads are wider than a fourth of the model's width."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    ids = write_qwen2_tokenizer(folder)
    return _save(folder, Qwen3ForCausalLM, Qwen3Config(**(_grouped() | ids | {"head_dim": 32} | overrides)))


def tiny_bloom(folder: Path, **overrides: Any) -> Path:
    """A random BLOOM in `folder`, with a byte-level vocabulary."""
    from transformers import BloomConfig, BloomForCausalLM

    size = write_bloom_tokenizer(folder)
    shape = {"hidden_size": 64, "n_layer": 2, "n_head": 4, "vocab_size": size, "bos_token_id": 1, "eos_token_id": 2}
    return _save(folder, BloomForCausalLM, BloomConfig(**(shape | {"pad_token_id": 3} | overrides)))


def write_sentencepiece(folder: Path, *, legacy: bool | None = None) -> None:
    """The tokenizer files of a published LLaMA folder. Ids: 0 unknown, 1 begin, 2 end, 3–258 bytes."""
    import sentencepiece

    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([line for text in _SENTENCES for line in text.splitlines() if line] * 4),
        model_writer=trained,
        vocab_size=_LLAMA_TOKENS,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=0.99,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        split_digits=True,
        unk_surface=" \u2047 ",
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(trained.getvalue())
    marks = {f"{kind}_token": _mark(text) for kind, text in (("bos", "<s>"), ("eos", "</s>"), ("unk", "<unk>"))}
    settings = {
        "add_bos_token": True,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 512,
        "pad_token": None,
        "sp_model_kwargs": {},
        "tokenizer_class": "LlamaTokenizer",
        "chat_template": LLAMA_TEMPLATE,
    }
    _write(folder / "tokenizer_config.json", settings | marks | ({} if legacy is None else {"legacy": legacy}))


def write_qwen2_tokenizer(folder: Path) -> dict[str, int]:
    """The tokenizer files of a Qwen2 folder; returns its size and ids as its configuration has them."""
    from tokenizers import normalizers

    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = _byte_level(QWEN2_WORDS, [])
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_special_tokens(marks)
    ids = {mark: tokenizer.token_to_id(mark) for mark in marks}
    _write_byte_level(
        folder,
        tokenizer,
        tokenizer_class="Qwen2Tokenizer",
        bos_token=None,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token=None,
        add_bos_token=False,
        errors="replace",
        split_special_tokens=False,
        chat_template=CHATML_TEMPLATE,
    )
    size: int = tokenizer.get_vocab_size()
    return {"vocab_size": size + 13, "bos_token_id": ids["<|endoftext|>"], "eos_token_id": ids["<|im_end|>"]}


def write_llama3_tokenizer(folder: Path) -> dict[str, int]:
    """The tokenizer files of a LLaMA 3 folder; returns its size and ids as its configuration has them."""
    from tokenizers import processors

    begin, end = "<|begin_of_text|>", "<|eot_id|>"
    tokenizer = _byte_level(LLAMA3_WORDS, [])
    tokenizer.model.ignore_merges = True
    tokenizer.add_special_tokens([begin, end])
    ids = {mark: tokenizer.token_to_id(mark) for mark in (begin, end)}
    around = processors.TemplateProcessing(
        single=f"{begin} $A", pair=f"{begin} $A {begin} $B", special_tokens=[(begin, ids[begin])]
    )
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), around])
    template = CHATML_TEMPLATE.replace("<|im_end|>", end)
    _write_byte_level(
        folder,
        tokenizer,
        tokenizer_class="PreTrainedTokenizerFast",
        bos_token=begin,
        eos_token=end,
        chat_template=template,
    )
    size: int = tokenizer.get_vocab_size()
    return {"vocab_size": size, "bos_token_id": ids[begin], "eos_token_id": ids[end]}


def write_bloom_tokenizer(folder: Path) -> int:
    """The tokenizer files of a BLOOM folder; returns the vocabulary's size. Ids: 0 unknown, 1 begin, 2 end, 3 pad."""
    marks = {"unk": "<unk>", "bos": "<s>", "eos": "</s>", "pad": "<pad>"}
    tokenizer = _byte_level(BLOOM_WORDS, list(marks.values()))
    _write_byte_level(
        folder,
        tokenizer,
        tokenizer_class="BloomTokenizerFast",
        add_prefix_space=False,
        padding_side="left",
        **{f"{kind}_token": text for kind, text in marks.items()},
    )
    size: int = tokenizer.get_vocab_size()
    return size


def _byte_level(words: str, specials: list[str]) -> Any:
    """A byte-level BPE, trained, whose words are cut out by the pattern `words`."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=_BYTE_LEVEL_TOKENS,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_SENTENCES * 4, trainer)
    return tokenizer


def _write_byte_level(folder: Path, tokenizer: Any, **settings: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    common = {"clean_up_tokenization_spaces": False, "model_max_length": 512}
    _write(folder / "tokenizer_config.json", common | settings)


def _grouped() -> dict[str, Any]:
    """Widths of the families whose heads share keys and values."""
    return {
        "hidden_size": 64,
        "intermediate_size": 160,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "tie_word_embeddings": False,
    }


def _save(folder: Path, kind: Any, config: Any) -> Path:
    import torch

    torch.manual_seed(12)
    model = kind(config).float().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # livelier than untrained: logits far apart, norms not all 1
            if "embed" in name:
                parameter.mul_(1 if parameter.dim() == 2 else 0.2)  # where it is the output too: not only itself
            elif parameter.dim() == 2:
                parameter.mul_(8)
            else:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder)
    return folder


def _mark(text: str) -> dict[str, Any]:
    """A special token as a published LLaMA's tokenizer_config.json has it."""
    flags = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    return {"__type": "AddedToken", "content": text} | flags


def _write(path: Path, table: dict[str, Any]) -> None:
    path.write_text(json.dumps(table, ensure_ascii=False, indent=1), "utf-8")
