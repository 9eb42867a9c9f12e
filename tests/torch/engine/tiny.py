"""Small models made on the spot, with a byte-level tokenizer of their own; nothing is downloaded."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from app.engine.torch.frames import StepOutput
from app.engine.torch.scheduler import Scheduler
from app.engine.torch.sequences import GenerationJob

WORDS = ("river", "stone", "lantern", "harbor", "winter", "copper", "garden", "signal", "paper", "orange")
FOREIGN = ("你", "😀", "ñ", "안")  # no two have a byte in the same place that tells them apart
TEMPLATE = (
    "<s>{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE that knows a few words; everything else is bytes."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator([" ".join(("", *WORDS)) + " [user] [system] [assistant]"] * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>", chat_template=TEMPLATE, pad_token="</s>"
    )


def llama(*, kv_heads: int = 2, seed: int = 0, vocabulary: int = 400, **changes: Any) -> LlamaForCausalLM:
    """Random weights, in float32, with few layers."""
    torch.manual_seed(seed)
    settings: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": kv_heads,
        "max_position_embeddings": 2048,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "initializer_range": 0.2,  # with less, random models say one token for ever
    }
    return LlamaForCausalLM(LlamaConfig(**(settings | changes))).eval().requires_grad_(False)


def speaker(words: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A model that says known words and whole foreign characters: the next token depends on the last one only.

    An embedding is one-hot, attention and MLP give nothing, so the head is a table of what follows what.
    """
    vocabulary = len(words)
    model = llama(vocabulary=vocabulary, hidden_size=vocabulary + vocabulary % 2, num_attention_heads=2, head_dim=32)
    state = model.state_dict()
    for name, tensor in state.items():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            tensor.zero_()
    state["model.embed_tokens.weight"].copy_(torch.eye(vocabulary, model.config.hidden_size))
    follows = torch.full((vocabulary, vocabulary), -60.0)  # row: the last token
    starts, inner = [], set()
    known = [words(f" {word}").input_ids for word in WORDS]
    for character in FOREIGN:
        ids = words(character).input_ids
        starts.append(ids[0])
        for last, following in pairwise(ids):
            follows[last, following] = 6.0
            inner.add(last)
    chance = random.Random(0)
    for last in set(range(vocabulary)) - inner:
        for number, ids in enumerate(known):
            follows[last, ids[0]] = chance.uniform(1.5, 3.0) + (3.0 if number == (last % len(known)) else 0.0)
        for start in starts:
            follows[last, start] = 4.2
        follows[last, 1] = 0.0  # an end, sometimes
    assert all(len(ids) == 1 for ids in known)
    state["lm_head.weight"].zero_()
    state["lm_head.weight"][:, :vocabulary] = follows.T / model.config.hidden_size**0.5
    return model


def save(model: Any, words: PreTrainedTokenizerFast, folder: Path) -> Path:
    """Both, as a Hugging Face folder."""
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


@dataclass
class NoAdapters:
    """A base model alone."""

    names: tuple[str, ...] = ()

    def activate(self, name: str | None) -> None:
        assert name is None

    def prefix(self, name: str | None) -> None:
        return None


@dataclass
class Loaded:
    """As :class:`app.engine.torch.loading.Loaded`, made by hand."""

    model: Any
    tokenizer: Any
    eos_ids: frozenset[int] = frozenset({1})
    adapters: Any = field(default_factory=NoAdapters)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype  # type: ignore[no-any-return]


class Batch:
    """A scheduler that is stepped by hand, and what it told."""

    def __init__(self, loaded: Any, *, n_slots: int = 4, context_tokens: int = 512) -> None:
        self.outputs: list[list[StepOutput]] = []
        self.scheduler = Scheduler(loaded, n_slots=n_slots, context_tokens=context_tokens, emit=self.outputs.append)
        self.tokens: dict[int, list[int]] = {}
        accept = self.scheduler._accept

        def noted(sequence: Any, token: int) -> None:
            self.tokens.setdefault(sequence.job.id, []).append(token)
            accept(sequence, token)

        self.scheduler._accept = noted  # type: ignore[method-assign]

    def run(self, *jobs: GenerationJob) -> None:
        """All of them, to their ends."""
        for job in jobs:
            self.scheduler.submit(job)
        self.scheduler.step()
        while self.scheduler.busy:
            self.scheduler.step()

    def of(self, job_id: int) -> list[StepOutput]:
        return [output for step in self.outputs for output in step if output.id == job_id]

    def text(self, job_id: int) -> str:
        return "".join(news.text for news in self.of(job_id))

    def end(self, job_id: int) -> StepOutput:
        last = self.of(job_id)[-1]
        assert last.end is not None
        return last
