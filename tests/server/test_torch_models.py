"""Real workers under a real server: all three generations of ChatGLM, as a person with tiny folders would meet them."""

from __future__ import annotations

import concurrent.futures
import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.support.processes import ServerProcess, serving
from tests.support.tiny_chatglm import tiny_chatglm, tiny_lora, tiny_prefix

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs the extra torch"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("torch")
    for generation in (1, 2, 3):
        name = f"chatglm{generation if generation > 1 else ''}-tiny"
        tiny_chatglm(folder / "store" / "weights" / name, generation)
    first = folder / "store" / "weights" / "chatglm-tiny"
    tiny_lora(first, folder / "store" / "adapters" / "polite")
    tiny_prefix(first, folder / "store" / "adapters" / "prefixed")
    with serving(folder, "--model", "chatglm-tiny", PARLEY_CHATGLM_API="true", PARLEY_SLOTS="4") as running:
        running.http.timeout = httpx.Timeout(120)
        yield running


def models(server: ServerProcess) -> dict[str, dict[str, Any]]:
    return {item["id"]: item for item in server.http.get("/api/models").json()["items"]}


def complete(server: ServerProcess, model: str, question: str = "你好！", **options: Any) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": question}], "max_tokens": 24, **options}
    answer = server.http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def text(answer: dict[str, Any]) -> str:
    return str(answer["choices"][0]["message"]["content"])


@pytest.mark.parametrize("model", ["chatglm-tiny", "chatglm2-tiny", "chatglm3-tiny"])
def test_a_folder_in_the_store_is_a_model_that_chats(server: ServerProcess, model: str) -> None:
    listed = models(server)[model]
    assert listed["family"] == model.removesuffix("-tiny")
    assert listed["fits"] is True
    assert [q["name"] for q in listed["quantizations"]] == ["none", "int8", "nf4"]
    first = complete(server, model, temperature=0, ignore_eos=True)
    assert text(first)
    assert first["usage"]["completion_tokens"] == 24
    assert text(complete(server, model, temperature=0, ignore_eos=True)) == text(first)
    assert models(server)[model]["state"] == "loaded"


@pytest.mark.parametrize("quantization", [pytest.param("int8", marks=pytest.mark.slow), "nf4"])
def test_a_quantization_is_chosen_with_the_model(server: ServerProcess, quantization: str) -> None:
    reference = f"chatglm2-tiny@{quantization}"
    assert text(complete(server, reference, ignore_eos=True))
    folder = Path(server.http.get("/api/models").json() and _store(server)) / "cache"
    assert list(folder.glob(f"chatglm2-tiny*/{quantization}/*/config.json"))  # the second start is fast


def _store(server: ServerProcess) -> str:
    return psutil.Process(server.process.pid).environ()["PARLEY_MODEL_STORE"]


def test_adapters_change_the_reply_and_not_the_process(server: ServerProcess) -> None:
    texts = {}
    workers = set()
    for model in ("chatglm-tiny", "chatglm-tiny+polite", "chatglm-tiny+prefixed", "chatglm-tiny"):
        reply = text(complete(server, model, temperature=0, ignore_eos=True))
        assert texts.setdefault(model, reply) == reply
        workers.add(frozenset(child.pid for child in server.children))
    assert len(set(texts.values())) == 3
    assert len(workers) == 1


def test_several_people_at_once_get_what_each_gets_alone(server: ServerProcess) -> None:
    questions = ["你好！", "请介绍一下你自己。", "Why is the sky blue?", "写一首关于春天的诗，好吗？"]

    def ask(question: str) -> str:
        return text(complete(server, "chatglm-tiny", question, temperature=0, ignore_eos=True))

    with concurrent.futures.ThreadPoolExecutor(4) as people:
        together = list(people.map(ask, questions))
    assert len(set(together)) == 4
    # bfloat16 sums depend on the batch: the beginning must agree, what follows may part
    alone = [ask(question) for question in questions]
    assert [reply[:2] for reply in together] == [reply[:2] for reply in alone]


def test_chatglms_own_service(server: ServerProcess) -> None:
    first = server.http.post("/", json={"prompt": "你好", "history": []}).json()
    assert set(first) == {"response", "history", "status", "time"}
    assert first["status"] == 200
    assert first["history"] == [["你好", first["response"]]]
    again = server.http.post("/", json={"prompt": "再见", "history": first["history"], "max_length": 60}).json()
    assert again["history"] == [*first["history"], ["再见", again["response"]]]


def test_what_trl_taught_an_adapter_is_said_in_the_chat(server: ServerProcess) -> None:
    """The adapter comes while the server runs."""
    pytest.importorskip("trl", reason="needs the extra train")
    question, answer = "你好！", "今天天气很好，我们一起去公园散步吧。"
    teach(Path(_store(server)), "chatglm-tiny", "walker", question, answer)
    while "walker" not in [adapter["name"] for adapter in models(server)["chatglm-tiny"]["adapters"]]:
        time.sleep(0.1)  # the server looks at the store once a second
    assert text(complete(server, "chatglm-tiny", question, temperature=0)) != answer
    assert text(complete(server, "chatglm-tiny+walker", question, temperature=0)) == answer


def teach(store: Path, base: str, name: str, question: str, answer: str) -> None:
    """Supervised fine-tuning with LoRA until the tiny model knows it by heart: a second's work."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    folder = store / "weights" / base
    row = {
        "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": answer}],
    }
    layers = ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"]
    settings = SFTConfig(
        output_dir=str(store / "run"),
        max_steps=80,
        learning_rate=1e-2,
        per_device_train_batch_size=4,
        use_cpu=True,
        bf16=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        activation_checkpointing=False,
    )
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
        processing_class=AutoTokenizer.from_pretrained(folder),
        train_dataset=Dataset.from_list([row] * 16),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules=layers, task_type="CAUSAL_LM"),
        args=settings,
    )
    trainer.train()
    trainer.save_model(str(store / "adapters" / name))


def test_an_unknown_quantization_or_adapter_is_refused(server: ServerProcess) -> None:
    for reference in ("chatglm-tiny@int2", "chatglm-tiny+nobody", "chatglm-tiny@nf4@nf4"):
        body = {"model": reference, "messages": [{"role": "user", "content": "Hi"}]}
        answer = server.http.post("/v1/chat/completions", json=body)
        assert answer.status_code == 404, answer.text
