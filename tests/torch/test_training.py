"""TRL's trainers on ChatGLM, as they come: LoRA on the fused query, key and value, saved and loaded again."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("trl", reason="the train extra is not installed")

from datasets import Dataset  # noqa: E402
from peft import LoraConfig, PeftModel, get_peft_model  # noqa: E402
from transformers import AutoModelForCausalLM, BitsAndBytesConfig  # noqa: E402
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer, SFTConfig, SFTTrainer  # noqa: E402

from tests.torch import tiny  # noqa: E402
from tests.torch.rounding import assert_same  # noqa: E402

PROMPT = [{"role": "user", "content": "Name a fruit."}]
GOOD, BAD = [{"role": "assistant", "content": "An apple."}], [{"role": "assistant", "content": "你好！"}]


def lora(task: str) -> LoraConfig:
    return LoraConfig(r=2, lora_alpha=8, target_modules=["query_key_value"], task_type=task)


def arguments(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "output_dir": str(folder / "run"),
        "max_steps": 2,
        "learning_rate": 0.05,
        "per_device_train_batch_size": 2,
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        **more,
    }


def trainer_for(kind: str, its: Any, tokenizer: Any, folder: Path, checkpointing: bool) -> Any:
    shared = {"model": its, "processing_class": tokenizer}
    extra = {"activation_checkpointing": checkpointing}
    if kind == "sft":
        data = Dataset.from_list([{"prompt": PROMPT, "completion": GOOD}] * 4)
        args = SFTConfig(**arguments(folder, **extra))
        return SFTTrainer(args=args, train_dataset=data, peft_config=lora("CAUSAL_LM"), **shared)
    if kind == "dpo":
        data = Dataset.from_list([{"prompt": PROMPT, "chosen": GOOD, "rejected": BAD}] * 4)
        args = DPOConfig(**arguments(folder, **extra))
        return DPOTrainer(args=args, train_dataset=data, peft_config=lora("CAUSAL_LM"), **shared)
    data = Dataset.from_list([{"chosen": PROMPT + GOOD, "rejected": PROMPT + BAD}] * 4)
    args = RewardConfig(**arguments(folder, **extra))
    return RewardTrainer(args=args, train_dataset=data, peft_config=lora("SEQ_CLS"), **shared)


@pytest.mark.parametrize("generation", tiny.GENERATIONS)
@pytest.mark.parametrize(("kind", "checkpointing"), [("sft", True), ("reward", False), ("dpo", False)])
def test_a_trained_adapter_is_the_same_when_loaded_again(
    generation: int, kind: str, checkpointing: bool, tmp_path: Path
) -> None:
    tokenizer = tiny.tokenizer(generation, tmp_path)
    untrained = tiny.model(generation, tokenizer, reward=kind == "reward").eval()
    trainer = trainer_for(
        kind, tiny.model(generation, tokenizer, reward=kind == "reward"), tokenizer, tmp_path, checkpointing
    )
    assert math.isfinite(trainer.train().training_loss)
    assert trainer.model.get_base_model().is_activation_checkpointing is checkpointing
    trainer.model.eval()
    trainer.save_model(str(tmp_path / "adapter"))
    ids = tokenizer.apply_chat_template(PROMPT, add_generation_prompt=True, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        before = untrained(ids).logits
        trained = trainer.model(ids).logits
        again = PeftModel.from_pretrained(untrained, str(tmp_path / "adapter")).eval()(ids).logits
    assert (trained - before).abs().max() > 1e-3
    assert_same(again, trained)


@pytest.mark.parametrize("generation", tiny.GENERATIONS)
def test_what_is_learned_follows_what_is_asked(generation: int, tmp_path: Path) -> None:
    """Trainers take the ids that a prompt alone and the prompt with a reply share for the prompt."""
    tokenizer = tiny.tokenizer(generation, tmp_path)
    prompt = tokenizer.apply_chat_template(PROMPT, add_generation_prompt=True)["input_ids"]
    whole = tokenizer.apply_chat_template(PROMPT + GOOD)["input_ids"]
    assert whole[: len(prompt)] == prompt
    assert whole[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(whole[len(prompt) :], skip_special_tokens=True).strip() == "An apple."


@pytest.mark.parametrize("generation", tiny.GENERATIONS)
def test_all_of_an_adapter_on_nf4_learns(generation: int, tmp_path: Path) -> None:
    """On CPUs with AVX512-BF16 bitsandbytes packs 4-bit weights at the first inference, for kernels without gradients.

    So who trains after it has inferred (a reply to look at, a score) must switch that off before.
    """
    bitsandbytes = pytest.importorskip("bitsandbytes", reason="the torch extra is not installed")
    tokenizer = tiny.tokenizer(generation, tmp_path)
    tiny.model(generation, tokenizer).save_pretrained(tmp_path / "base")
    nf4 = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)
    base = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32, quantization_config=nf4)
    quantized = [module for module in base.modules() if isinstance(module, bitsandbytes.nn.Linear4bit)]
    assert len(quantized) == 2 * 4
    for module in quantized:
        module.support_avx512bf16_for_cpu = False
    config = lora("CAUSAL_LM")
    config.init_lora_weights = False  # zeros, as they usually begin, would leave half of the gradients zero
    model = get_peft_model(base, config).eval()
    ids = tokenizer.apply_chat_template(PROMPT + GOOD, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        inferred = model(ids).logits
    output = model.train()(ids, labels=ids)
    torch.testing.assert_close(output.logits, inferred)
    output.loss.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert len(gradients) == 2 * 2
    assert [name for name, gradient in gradients.items() if gradient is None or not gradient.any()] == []
