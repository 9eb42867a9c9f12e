"""How near published models are to their originals: ``python -m tests.torch.published_table`` prints a Markdown table.

Each form of :data:`tests.support.published.FORMS` is imported, rewritten for llama.cpp as f32 and f16, and asked for
the same in three places: transformers on the original, Parley's PyTorch engine, llama.cpp. A test does it for two.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.models.bloom.modeling_bloom import BloomForCausalLM as TheirBloom
from transformers.utils import logging

from app.engine.torch.loading import Loaded, load
from app.weights.converting.convert import quantize
from app.weights.importing.importer import import_model
from tests.support.corpus import CORPUS, LEADING_SPACES
from tests.support.llama_cpp import LlamaCpp, llama_cpp
from tests.support.published import FORMS, Published

PROMPTS = ("The river flows down from", "今天天气很好", "def add(a, b):\n    return", "Ein 😀 für 12 км, λ")
TEXTS = (*CORPUS, *LEADING_SPACES)
NEW_TOKENS = 40  # of each greedy reply
STEPS = 8  # places in a reply where probabilities are compared
LIKELIEST = 50  # tokens at each place


@dataclass(frozen=True, slots=True)
class Copy:
    """A GGUF copy in llama.cpp beside the same model in PyTorch."""

    off: float  # the largest difference of a log-probability
    same: int  # greedy replies that are the same, of as many as there are prompts
    gap: float  # where one is not: how much less likely, as a logarithm, its first other token is than PyTorch's

    def __str__(self) -> str:
        greedy = "all" if self.same == len(PROMPTS) else f"{self.same}, then {self.gap:.1e} apart"
        return f"{self.off:.1e} | {greedy}"


@dataclass(frozen=True, slots=True)
class Row:
    """One published form."""

    logits: float  # the largest difference of a logit: PyTorch engine and original
    torch_texts: int  # texts that the PyTorch engine cuts otherwise than the original does
    llama_cpp_texts: int  # ... and llama.cpp
    f32: Copy
    f16: Copy


def main() -> None:
    """Print the table."""
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    print(
        "| published as | logits, torch to original | log p, f32 to torch | greedy | log p, f16 to torch | greedy "
        f"| of {len(TEXTS)} texts cut otherwise: torch, llama.cpp |\n|---|---:|---:|---|---:|---|---|"
    )
    for form, make in FORMS.items():
        with tempfile.TemporaryDirectory() as folder:
            row = compare(make(Path(folder)), Path(folder) / "store")
        print(
            f"| {form} | {row.logits:.1e} | {row.f32} | {row.f16} | {row.torch_texts}, {row.llama_cpp_texts} |",
            flush=True,
        )


def compare(published: Published, store: Path) -> Row:
    """Import a model and let both engines answer."""
    folder = import_model(published.path, store, "tiny", lambda _: None, lambda: False, base=published.base).folder
    with mock.patch("app.engine.torch.loading.compute_dtype", return_value=torch.float32):
        ours = load({"folder": str(folder), "model_id": "tiny"})
    expected = {text: _original_ids(published.original, text) for text in TEXTS}
    replies = [_reply(ours, _prompt_ids(ours, prompt)) for prompt in PROMPTS]
    with _running(folder, "f32") as f32, _running(folder, "f16") as f16:
        return Row(
            logits=_logits_off(ours, published.original),
            torch_texts=sum(ours.tokenizer.encode(text) != ids for text, ids in expected.items()),
            llama_cpp_texts=sum(f32.tokenize(text) != ids for text, ids in expected.items()),
            f32=_copy(ours, replies, f32),
            f16=_copy(ours, replies, f16),
        )


def _prompt_ids(ours: Loaded, prompt: str) -> list[int]:
    found: list[int] = ours.tokenizer.encode(prompt)
    return found


@contextlib.contextmanager
def _running(folder: Path, to: str) -> Iterator[LlamaCpp]:
    with llama_cpp(quantize(folder, to, lambda _: None, lambda: False)) as running:
        yield running


def _logits(model: Any, ids: list[int]) -> Any:
    """What each next token of `ids` gets; float32, (tokens, vocabulary)."""
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0]


def _logits_off(ours: Loaded, original: Path) -> float:
    """transformers' own class has the word, for BLOOM too."""
    kind = TheirBloom if "bloom" in (original / "config.json").read_text() else AutoModelForCausalLM
    theirs = kind.from_pretrained(original, dtype=torch.float32).eval()
    prompts = [_prompt_ids(ours, prompt) for prompt in PROMPTS]
    return max((_logits(ours.model, ids) - _logits(theirs, ids)).abs().max().item() for ids in prompts)


def _original_ids(original: Path, text: str) -> list[int]:
    """How the tokenizer that the model was trained with cuts a text."""
    if (original / "tokenizer.model").is_file():
        from sentencepiece import SentencePieceProcessor

        pieces = SentencePieceProcessor(model_file=str(original / "tokenizer.model"))
        return [pieces.bos_id(), *pieces.encode(text)]
    return list(AutoTokenizer.from_pretrained(original).encode(text))


@dataclass(frozen=True, slots=True)
class _Reply:
    """A greedy reply in PyTorch, without ends."""

    prompt: list[int]
    tokens: list[int]
    logs: Any  # log-probabilities at every place, (tokens, vocabulary)


def _reply(ours: Loaded, prompt: list[int]) -> _Reply:
    """Token by token, each from all before it: no cache that could hide something."""
    never = {*ours.eos_ids, ours.tokenizer.pad_token_id} - {None}  # llama.cpp takes [PAD] for an end
    tokens: list[int] = []
    logs = []
    for _ in range(NEW_TOKENS):
        logs.append(torch.log_softmax(_logits(ours.model, prompt + tokens)[-1], -1))
        allowed = logs[-1].clone()
        allowed[list(never)] = -torch.inf
        tokens.append(int(allowed.argmax()))
    return _Reply(prompt, tokens, torch.stack(logs))


def _copy(ours: Loaded, replies: list[_Reply], running: LlamaCpp) -> Copy:
    off = 0.0
    gaps = []
    for reply in replies:
        for step in range(STEPS):
            found = running.logprobs(reply.prompt + reply.tokens[:step], LIKELIEST)
            assert len(found) == LIKELIEST
            off = max(off, *(abs(reply.logs[step, i].item() - log) for i, log in found.items()))
        said = running.greedy(reply.prompt, NEW_TOKENS)
        assert len(said) == NEW_TOKENS
        gaps += [_gap(reply, said)]
    return Copy(off, sum(gap is None for gap in gaps), max((gap for gap in gaps if gap is not None), default=0.0))


def _gap(reply: _Reply, said: list[int]) -> float | None:
    """None: the same reply."""
    for place, (mine, other) in enumerate(zip(reply.tokens, said, strict=True)):
        if mine != other:
            return float(reply.logs[place, mine] - reply.logs[place, other])
    return None


if __name__ == "__main__":
    main()
