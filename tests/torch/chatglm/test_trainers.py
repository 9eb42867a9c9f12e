"""One step of TRL's trainers on a folder in the published layout, from conversations to updated weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("trl", reason="the train extra is not installed")

from datasets import Dataset  # noqa: E402
from peft import LoraConfig  # noqa: E402
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402
from trl import (  # noqa: E402
    DPOConfig,
    DPOTrainer,
    GRPOConfig,
    GRPOTrainer,
    RewardConfig,
    RewardTrainer,
    SFTConfig,
    SFTTrainer,
)

from tests.support.tiny_chatglm import tiny_chatglm  # noqa: E402

# The libraries' own deprecations.
pytestmark = pytest.mark.filterwarnings("ignore")

QUESTION, GOOD, BAD = (
    [{"role": role, "content": text}]
    for role, text in (("user", "Why is the sky blue?"), ("assistant", "Because."), ("assistant", "No."))
)
LORA = LoraConfig(task_type="CAUSAL_LM", target_modules=["query_key_value"], r=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_chatglm(tmp_path_factory.mktemp("chatglm") / "model", 1)


def options(tmp_path: Path) -> dict[str, Any]:
    return {
        "output_dir": str(tmp_path),
        "per_device_train_batch_size": 2,
        "max_steps": 1,
        "learning_rate": 0.1,
        "use_cpu": True,
        "bf16": False,
        "report_to": [],
        "save_strategy": "no",
        "disable_tqdm": True,
    }


def trained(trainer: Any) -> Any:
    """Train, and see that something was learnt."""
    learning = {name: one.detach().clone() for name, one in trainer.model.named_parameters() if one.requires_grad}
    loss = trainer.train().training_loss
    assert torch.isfinite(torch.tensor(loss))
    after = dict(trainer.model.named_parameters())
    assert any(not torch.equal(value, after[name]) for name, value in learning.items())
    return trainer


def test_supervised(folder: Path, tmp_path: Path) -> None:
    its = AutoTokenizer.from_pretrained(folder)
    trainer = SFTTrainer(
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
        args=SFTConfig(**options(tmp_path), activation_checkpointing=True),
        train_dataset=Dataset.from_list([{"prompt": QUESTION, "completion": GOOD}] * 2),
        processing_class=its,
    )
    (row, _) = trainer.train_dataset
    assert row["input_ids"] == its("Why is the sky blue?", "Because.")["input_ids"]
    learnt = [index for index, label in zip(row["input_ids"], row["labels"], strict=True) if label != -100]
    assert learnt == [*its.encode("Because.", add_special_tokens=False), its.eos_token_id]
    trained(trainer)


def test_reward(folder: Path, tmp_path: Path) -> None:
    its = AutoTokenizer.from_pretrained(folder)
    trainer = RewardTrainer(
        AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, dtype=torch.float32),
        args=RewardConfig(**options(tmp_path)),
        train_dataset=Dataset.from_list([{"prompt": QUESTION, "chosen": GOOD, "rejected": BAD}] * 2),
        processing_class=its,
    )
    assert trainer.train_dataset[0]["rejected_ids"] == its("Why is the sky blue?", "No.")["input_ids"]
    trained(trainer)


def test_preferences(folder: Path, tmp_path: Path) -> None:
    its = AutoTokenizer.from_pretrained(folder)
    trainer = DPOTrainer(
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
        args=DPOConfig(**options(tmp_path)),
        train_dataset=Dataset.from_list([{"prompt": QUESTION, "chosen": GOOD, "rejected": BAD}] * 2),
        processing_class=its,
        peft_config=LORA,
    )
    row = trainer.train_dataset[0]
    assert row["prompt_ids"] == its("Why is the sky blue?")["input_ids"]
    assert row["prompt_ids"] + row["chosen_ids"] == its("Why is the sky blue?", "Because.")["input_ids"]
    trained(trainer)


def test_reinforcement(folder: Path, tmp_path: Path) -> None:
    """Its replies are generated in batches, padded at the left."""
    trained(
        GRPOTrainer(
            AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
            reward_funcs=lambda completions, **_: [float(index) for index, _ in enumerate(completions)],
            args=GRPOConfig(**options(tmp_path), num_generations=2, max_completion_length=4),
            train_dataset=Dataset.from_list([{"prompt": QUESTION}] * 2),
            processing_class=AutoTokenizer.from_pretrained(folder),
        )
    )
