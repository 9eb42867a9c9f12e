"""Golden cases of ChatGLM2 and ChatGLM3: what the original code answers for tiny random checkpoints (README there)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

import app.families.chatglm2  # noqa: F401  (registers the architecture)

GOLDEN = Path(__file__).parents[2] / "golden" / "chatglm2"
TOLERANCE = 3e-4
CASES = [
    (folder, case)
    for folder in ("base", "int4", "int8")
    for case in json.loads((GOLDEN / folder / "cases.json").read_text(encoding="utf-8"))["cases"]
]


def listed(folder: str) -> Any:
    return json.loads((GOLDEN / folder / "cases.json").read_text(encoding="utf-8"))


def chat_cases(generation: int) -> Any:
    return json.loads((GOLDEN / "chat" / f"chatglm{generation}.json").read_text(encoding="utf-8"))


@cache
def tensors(folder: str) -> dict[str, torch.Tensor]:
    return load_file(GOLDEN / folder / "cases.safetensors")


@cache
def model(folder: str) -> Any:
    """The checkpoint in float32, shared by all tests: leave it as it is."""
    return AutoModelForCausalLM.from_pretrained(GOLDEN / folder, dtype=torch.float32).eval().requires_grad_(False)


def fresh(folder: str = "base", **changes: Any) -> Any:
    """A model of one's own."""
    return AutoModelForCausalLM.from_pretrained(GOLDEN / folder, dtype=torch.float32, **changes)


def case_tensors(folder: str, case: str) -> dict[str, torch.Tensor]:
    found = tensors(folder)
    return {name.removeprefix(f"{case}."): value for name, value in found.items() if name.startswith(f"{case}.")}
