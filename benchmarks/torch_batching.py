"""Continuous batching of the PyTorch engine compared with a static batch in transformers' `generate`.

The model is a random LLaMA of 22 million parameters, small enough to make the overhead visible. The same prompts and
numbers of new tokens run alternately in three ways: transformers' `generate` with all prompts padded into one batch;
our scheduler in this process; and `parley serve` over HTTP, with the load generator in a separate process. Aim: the
scheduler at least as fast as the static batch, and 0.95 of it over HTTP with 8 chats.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from app.engine.threads import OPENMP_FOR_TORCH
from app.engine.worker_process import worker_environment
from benchmarks.engine_throughput import load
from benchmarks.loadgen import WORDS, question
from benchmarks.processes import Server, parley
from benchmarks.report import median, publish

MODEL = "random-llama-22m"
CONTEXT_TOKENS = 1024
TEMPLATE = "<s>{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant]"
SIZES = {
    "hidden_size": 512,
    "intermediate_size": 1376,
    "num_hidden_layers": 7,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "max_position_embeddings": CONTEXT_TOKENS,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "initializer_range": 0.05,  # with less, random models repeat one token for ever
}
MANIFEST = """\
id = "{id}"
title = "A random LLaMA"
family = "native"
engine = "torch"

[source]
kind = "folder"
path = "{folder}"
"""


def make_checkpoint(folder: Path) -> Path:
    """Create a checkpoint with random weights and a tokenizer trained on the load generator's words."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    ascii_only = [letter for letter in pre_tokenizers.ByteLevel.alphabet() if letter.isascii() or letter in "ĠĊ"]
    trainer = trainers.BpeTrainer(special_tokens=["<s>", "</s>"], initial_alphabet=ascii_only, show_progress=False)
    core.train_from_iterator([" ".join(("[user] Describe this:", *WORDS, "[assistant]"))] * 3, trainer)
    words = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>", pad_token="</s>", chat_template=TEMPLATE
    )
    words.save_pretrained(folder)
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(words), **SIZES))
    model.to(torch.bfloat16).save_pretrained(folder)
    return folder


class InProcess:
    """The checkpoint in this process, batched by transformers and by our scheduler."""

    def __init__(self, folder: Path, n_slots: int, new_tokens: int) -> None:
        from app.engine.torch.frames import StepOutput
        from app.engine.torch.loading import load as load_checkpoint
        from app.engine.torch.scheduler import Scheduler

        self._new_tokens = new_tokens
        self._static, ours = (load_checkpoint({"folder": str(folder)}) for _ in range(2))
        outputs: list[StepOutput] = []
        self._scheduler = Scheduler(ours, n_slots=n_slots, context_tokens=CONTEXT_TOKENS, emit=outputs.extend)
        self._tokenizer = ours.tokenizer
        self._tokenizer.padding_side = "left"
        self._numbers = iter(range(1 << 30))

    def static(self, questions: list[str]) -> float:
        """Seconds for one call of `generate`."""
        import torch

        prompts = self._prompts(questions)
        batch = self._tokenizer.pad({"input_ids": prompts}, return_tensors="pt")
        n = self._new_tokens
        began = time.perf_counter()
        with torch.inference_mode():
            self._static.model.generate(**batch, max_new_tokens=n, min_new_tokens=n, do_sample=False, pad_token_id=1)
        return time.perf_counter() - began

    def scheduled(self, questions: list[str]) -> float:
        """Seconds for our scheduler with all prompts submitted at once."""
        from app.domain.sampling import SamplingParams
        from app.engine.torch.sequences import GenerationJob

        greedy = SamplingParams(temperature=0.0, max_new_tokens=self._new_tokens, seed=0, ignore_eos=True)
        prompts = self._prompts(questions)
        began = time.perf_counter()
        for ids in prompts:
            self._scheduler.submit(GenerationJob(next(self._numbers), ids, greedy))
        self._scheduler.step()
        while self._scheduler.busy:
            self._scheduler.step()
        return time.perf_counter() - began

    def _prompts(self, questions: list[str]) -> list[list[int]]:
        texts = [
            self._tokenizer.apply_chat_template([{"role": "user", "content": q}], tokenize=False) for q in questions
        ]
        return [self._tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]


@contextmanager
def serving(home: Path, checkpoint: Path, n_slots: int) -> Iterator[Server]:
    """Parley with the checkpoint as its model."""
    manifests = home / "store" / "manifests"
    manifests.mkdir(parents=True)
    text = MANIFEST.format(id=MODEL, folder=checkpoint)
    (manifests / f"{MODEL}.toml").write_text(text, encoding="utf-8")
    settings = {"slots": n_slots, "context_tokens": CONTEXT_TOKENS, "threads": os.cpu_count()}
    with parley(home, model_store=home / "store", **settings) as server:
        over_http(server, 1, 4, seed=99)  # load and warm
        yield server


def over_http(server: Server, n_chats: int, new_tokens: int, seed: int) -> dict[str, Any]:
    """The load generator's output for `n_chats` of one turn."""
    arguments = ["--chats", n_chats, "--turns", 1, "--new-tokens", new_tokens, "--seed", seed]
    (row,) = load([sys.executable, "-m", "benchmarks.loadgen"], server.url, *arguments, model=MODEL)
    if row["errors"]:
        raise SystemExit(f"a chat failed: {row['first_error']}")
    return row


def measure(chats: list[int], repeats: int, new_tokens: int) -> list[dict[str, float]]:
    """A row per repeat and number of chats: tokens/s of all chats together, for each method."""
    lines = []
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        checkpoint = make_checkpoint(Path(name) / "checkpoint")
        here = InProcess(checkpoint, max(chats), new_tokens)
        with serving(Path(name), checkpoint, max(chats)) as server:
            for repeat in range(repeats + 1):  # the first one is the warm-up
                print(f"torch_batching {repeat}/{repeats}", flush=True)
                for n_chats in chats:
                    seed = 1 + repeat
                    chance = random.Random(seed)
                    questions = [question(chance, 40) for _ in range(n_chats)]
                    n_tokens = n_chats * new_tokens
                    line: dict[str, float] = {"chats": n_chats, "static": n_tokens / here.static(questions)}
                    line["scheduler"] = n_tokens / here.scheduled(questions)
                    http = over_http(server, n_chats, new_tokens, seed)
                    line |= {"http": http["tok_s"], "first_ms": 1000 * http["ttft1_s"]}
                    if repeat:
                        lines.append(line)
    return lines


def main(arguments: list[str] | None = None) -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chats", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--new-tokens", type=int, default=128)
    given = parser.parse_args(arguments)
    os.environ.update(worker_environment({}) | OPENMP_FOR_TORCH)  # as in the worker; before torch loads
    lines = measure(given.chats, given.repeats, given.new_tokens)
    rows = []
    for n_chats in given.chats:
        runs = [line for line in lines if line["chats"] == n_chats]
        row: dict[str, object] = {"chats": n_chats}
        row |= {f"{method} tok/s": median(run[method] for run in runs) for method in ("static", "scheduler", "http")}
        for method in ("scheduler", "http"):
            row[f"{method} / static"] = round(median(run[method] / run["static"] for run in runs), 3)
        row["first token ms over http"] = round(median(run["first_ms"] for run in runs))
        rows.append(row)
    settings = {"model": MODEL, "new_tokens": given.new_tokens, "torch": version("torch")}
    publish("torch_batching", rows, settings=settings, runs=lines)


if __name__ == "__main__":
    main()
