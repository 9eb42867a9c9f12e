"""Golden cases of the first ChatGLM: what the original code answers for tiny random checkpoints (README there)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import app.families.chatglm  # noqa: F401  (registers the architecture)
from tests.support.shared import shared

GOLDEN = Path(__file__).parents[2] / "golden" / "chatglm"
TOLERANCE = 2e-4
HERE = ("base", "untied", "one_dim_positions", "prefix_tuning_projected", "int8", "int4_embeddings")
ELSEWHERE = ("base_torch_bin", "prefix_tuning", "int4", "int8_embeddings")
FOLDERS = HERE + ELSEWHERE
CASES_OF = {"base_torch_bin": "base"}  # the same weights
SPECIAL = {"bos_token_id": 204, "eos_token_id": 205, "mask_token_id": 200, "gmask_token_id": 201, "pad_token_id": 3}


def golden(path: str) -> Path:
    """A golden file or folder; skips the test where only the shared folder would have it and that is absent."""
    found = GOLDEN / path
    return found if found.exists() else shared(f"golden/chatglm/{path}")


def listed(path: str) -> Any:
    return json.loads(golden(path).read_text(encoding="utf-8"))


@cache
def tensors(path: str) -> dict[str, torch.Tensor]:
    return load_file(golden(path))


@cache
def model(folder: str, attention: str = "sdpa") -> Any:
    """The checkpoint in float32, shared by all tests: leave it as it is."""
    return fresh(folder, attn_implementation=attention).eval().requires_grad_(False)


def fresh(folder: str = "base", **changes: Any) -> Any:
    """A model of one's own."""
    path = shared("golden/chatglm/chat") if folder == "chat" else golden(folder)
    return AutoModelForCausalLM.from_pretrained(path, **{"dtype": torch.float32, **changes})


@cache
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(shared("golden/chatglm/tokenizer"))


class Case:
    """One case: its tensors as attributes (``ids``, ``logits``, …), and which of its tokens are real."""

    def __init__(self, folder: str, name: str) -> None:
        found = tensors(f"{CASES_OF.get(folder, folder)}/cases.safetensors")
        self.fields = {key.partition(".")[2]: value for key, value in found.items() if key.startswith(f"{name}.")}
        self.ids = self.fields["input_ids"]
        self.logits = self.fields["logits"]
        self.positions = self.fields["position_ids"]
        hidden = self.fields["attention_mask"].bool()
        self.visible = ~hidden
        self.real = ~hidden.all(-1)[:, 0]  # [b, n]: the original's padding sees nothing

    def largest_difference(self, logits: torch.Tensor) -> float:
        """On real tokens."""
        return float((logits.detach() - self.logits)[self.real].abs().max())


def case_names(folder: str) -> list[str]:
    return list(listed(f"{CASES_OF.get(folder, folder)}/cases.json")["cases"])


def listed_cases(folders: tuple[str, ...] = FOLDERS) -> list[tuple[str, str]]:
    """All (folder, case); one line, which will skip, for a folder that is not here."""
    pairs: list[tuple[str, str]] = []
    for folder in folders:
        file = f"{CASES_OF.get(folder, folder)}/cases.json"
        absent = not (GOLDEN / file).exists() and folder in ELSEWHERE
        pairs += [(folder, name) for name in (_names_elsewhere(folder) if absent else case_names(folder))]
    return pairs


def _names_elsewhere(folder: str) -> list[str]:
    # The same cases as the folder here that differs from it in one thing.
    return case_names({"prefix_tuning": "prefix_tuning_projected", "int4": "int8", "int8_embeddings": "int8"}[folder])
