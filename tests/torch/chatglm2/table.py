"""The golden table's lines for ChatGLM2 and ChatGLM3: see :mod:`tests.torch.golden_table`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from tests.torch.chatglm2.golden import CASES, case_tensors, chat_cases, model
from tests.torch.chatglm2.test_chat import cleaned, reply
from tests.torch.chatglm2.test_tokenizer import CLASSES, tokenizer
from tests.torch.golden_table import Line, absent, differing


def table() -> Iterator[Line]:
    """All models, then all texts and chats."""
    for folder, case in CASES:
        yield _model_line(folder, case)
    for generation in CLASSES:
        yield from absent(f"chatglm{generation}", partial(_texts, generation))


def _model_line(folder: str, case: str) -> Line:
    golden = case_tensors(folder, case)
    ids, mask, expected = golden["input_ids"], golden["attention_mask"], golden["greedy_cached"]
    with torch.no_grad():
        logits = model(folder)(ids, attention_mask=mask).logits
    said = model(folder).generate(ids, attention_mask=mask, max_new_tokens=expected.shape[1], do_sample=False)
    return Line(
        f"chatglm2/{folder}",
        case,
        logits=float((logits - golden["logits"])[mask.bool()].abs().max()),
        greedy=differing(said[:, ids.shape[1] :].flatten().tolist(), expected.flatten().tolist()),
    )


def _texts(generation: int) -> Iterator[Line]:
    its = tokenizer(generation)
    golden = chat_cases(generation)
    folder = f"chatglm{generation}"
    texts, chats = golden["encode"], golden["chat"]
    encoded = sum(its(case["text"])["input_ids"] != case["ids_with_special"] for case in texts)
    yield Line(folder, f"encode ({len(texts)})", texts=encoded)
    decoded = sum(its.decode(case["ids"]) != case["decoded"] for case in texts)
    yield Line(folder, f"decode ({len(texts)})", texts=decoded)
    prompts = [its.apply_chat_template(_messages(case), add_generation_prompt=True)["input_ids"] for case in chats]
    wrong = sum(ids != case["input_ids"] for ids, case in zip(prompts, chats, strict=True))
    yield Line(folder, f"prompts ({len(chats)})", texts=wrong)
    # Where the original ran the reply as program code, and failed, there is none to compare with.
    plain = [case for case in chats if isinstance(case["response"], str)]
    wrong = sum(_reply(generation, case) != case["response"] for case in plain)
    yield Line(folder, f"replies ({len(plain)})", texts=wrong)


def _messages(case: Any) -> list[dict[str, Any]]:
    question = {"role": case.get("role", "user"), "content": case["query"]}
    if "role" in case:
        return [*case["history"], question]
    roles = ("user", "assistant")
    return [
        *({"role": role, "content": text} for pair in case["history"] for role, text in zip(roles, pair, strict=True)),
        question,
    ]


def _reply(generation: int, case: Any) -> str:
    its = tokenizer(generation)
    ids = reply(case["input_ids"], case["max_length"], its.stop_token_ids)
    return cleaned(generation, its.decode(ids if generation == 2 else ids[:-1]))
