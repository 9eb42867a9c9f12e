"""The first ChatGLM's part of the table of golden cases (tests/torch/golden_table.py)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from app.domain.messages import Role, Turn
from app.families.chatglm_prompt import ChatGLMCleaner, render
from tests.torch.chatglm.golden import FOLDERS, Case, case_names, listed, model, tokenizer
from tests.torch.golden_table import Line, absent, differing

SPEAKERS = (Role.USER, Role.ASSISTANT)


def table() -> Iterator[Line]:
    for folder in FOLDERS:
        yield from absent(folder, partial(_model, folder))
    for name, lines in (("tokenizer", _tokenizer), ("chat", _chat)):
        yield from absent(name, lines)


def _model(folder: str) -> Iterator[Line]:
    for name in case_names(folder):
        case = Case(folder, name)
        with torch.no_grad():
            logits = model(folder)(case.ids, attention_mask=case.real.long(), positions=case.positions).logits
        greedy = None
        if "greedy_cached" in case.fields:
            expected = case.fields["greedy_cached"]
            replies = model(folder).generate(
                case.ids, attention_mask=case.real.long(), max_new_tokens=expected.shape[1], do_sample=False
            )[:, case.ids.shape[1] :]
            greedy = sum(differing(*pair) for pair in zip(replies.tolist(), expected.tolist(), strict=True))
        yield Line(folder, name, case.largest_difference(logits), greedy)


def _tokenizer() -> Iterator[Line]:
    it, cases = tokenizer(), listed("tokenizer/cases.json")
    encoded = [it.encode(case["text"]) != case["ids_with_special"] for case in cases["encode"]]
    decoded = [it.decode(case["ids"]) != case["decoded"] for case in cases["encode"]]
    padded = [it(case["texts"], padding=True)["input_ids"] != case["input_ids"] for case in cases["padded_batches"]]
    for name, wrong in (("encode", encoded), ("decode", decoded), ("padded_batches", padded)):
        yield Line("tokenizer", f"{name} ({len(wrong)})", texts=sum(wrong))


def _chat() -> Iterator[Line]:
    it, cases, its = tokenizer(), listed("chat/cases.json"), model("chat")
    prompts, greedy, replies = [], 0, []
    for case in cases["chat"]:
        turns = [Turn(*said) for pair in case["history"] for said in zip(SPEAKERS, pair, strict=True)]
        prompt = render([*turns, Turn(Role.USER, case["query"])])
        prompts.append(prompt != case["prompt"] or it.encode(prompt) != case["input_ids"])
        ids = torch.tensor([case["input_ids"]])
        tokens = its.generate(ids, max_length=case["max_length"], do_sample=False)[0, ids.shape[1] :].tolist()
        greedy += differing(tokens, case["generated_ids"])
        replies.append(_clean(it.decode(tokens)) != case["response"])
    yield Line("chat", f"prompts ({len(prompts)})", texts=sum(prompts))
    yield Line("chat", f"replies ({len(replies)})", greedy=greedy, texts=sum(replies))
    wrong = [_clean(case["input"]) != case["output"] for case in cases["process_response"]]
    yield Line("chat", f"clean-up ({len(wrong)})", texts=sum(wrong))


def _clean(text: str) -> str:
    cleaner = ChatGLMCleaner()
    return cleaner.push(text) + cleaner.flush()
