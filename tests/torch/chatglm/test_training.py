"""What trainers do with the model: losses, checkpointing, LoRA, quantized bases, rewards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("transformers", reason="the torch extra is not installed")

from transformers import AutoModelForSequenceClassification, BitsAndBytesConfig  # noqa: E402

from tests.torch.chatglm.golden import TOLERANCE, Case, fresh, golden  # noqa: E402

# Two rows of unequal length, padded at the right.
IDS = torch.tensor([[48, 9, 163, 201, 204, 7, 8, 205], [166, 34, 201, 204, 5, 205, 3, 3]])
BATCH = {"input_ids": IDS, "attention_mask": (IDS != 3).long(), "labels": IDS.masked_fill(IDS == 3, -100)}


def gradients(its: Any) -> dict[str, Any]:
    its.train()
    its(**BATCH, use_cache=False).loss.backward()
    return {name: parameter.grad for name, parameter in its.named_parameters() if parameter.grad is not None}


def test_the_loss_is_that_of_the_next_token() -> None:
    output = fresh()(**BATCH)
    shifted = BATCH["labels"][:, 1:].flatten()
    expected = torch.nn.functional.cross_entropy(output.logits[:, :-1].flatten(0, 1), shifted)
    torch.testing.assert_close(output.loss, expected)


@pytest.mark.parametrize("folder", ["base", "prefix_tuning_projected"])
def test_checkpointed_gradients_are_the_same(folder: str) -> None:
    plain = gradients(fresh(folder))
    checkpointing = fresh(folder)
    checkpointing.activation_checkpointing_enable()
    checkpointed = gradients(checkpointing)
    assert plain.keys() == checkpointed.keys() == {name for name, _ in checkpointing.named_parameters()}
    for name, gradient in plain.items():
        torch.testing.assert_close(checkpointed[name], gradient, msg=name)


def test_only_the_logits_asked_for_are_computed() -> None:
    its = fresh().eval()
    whole = its(IDS).logits
    torch.testing.assert_close(its(IDS, logits_to_keep=2).logits, whole[:, -2:])
    torch.testing.assert_close(its(IDS, logits_to_keep=torch.tensor([1, 4])).logits, whole[:, [1, 4]])


def test_lora_learns_and_comes_back(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="the torch extra is not installed")
    torch.manual_seed(0)
    adapted = peft.get_peft_model(
        fresh(), peft.LoraConfig(task_type="CAUSAL_LM", target_modules=["query_key_value"], r=4)
    )
    optimizer = torch.optim.AdamW([p for p in adapted.parameters() if p.requires_grad], lr=0.05)
    losses = []
    for _ in range(8):
        loss = adapted(**BATCH).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach())
    assert losses[-1] < losses[0]
    adapted.eval().save_pretrained(tmp_path)
    again = peft.PeftModel.from_pretrained(fresh(), tmp_path).eval()
    torch.testing.assert_close(again(IDS).logits, adapted(IDS).logits)
    case = Case("base", "batch_left_padded")
    replies = again.generate(input_ids=case.ids, attention_mask=case.real.long(), max_new_tokens=3, do_sample=False)
    assert replies.shape == (3, case.ids.shape[1] + 3)


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
@pytest.mark.parametrize("kind", ["int8", "nf4"])
def test_bitsandbytes_quantizes_the_layers(kind: str) -> None:
    bitsandbytes = pytest.importorskip("bitsandbytes", reason="the torch extra is not installed")
    options: dict[str, Any] = {"load_in_8bit": True}
    if kind == "nf4":
        options = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": torch.float32}
    quantized = fresh(quantization_config=BitsAndBytesConfig(**options)).eval()
    kinds = (bitsandbytes.nn.Linear4bit, bitsandbytes.nn.Linear8bitLt)
    assert sum(isinstance(module, kinds) for module in quantized.modules()) == 4 * 3
    assert type(quantized.lm_head) is torch.nn.Linear
    case = Case("base", "gmask_single")
    with torch.no_grad():
        logits = quantized(case.ids).logits
    # Four bits lose much in a random model.
    assert torch.corrcoef(torch.stack((logits.flatten(), case.logits.flatten())))[0, 1] > 0.9
    assert (logits - case.logits).abs().max() > TOLERANCE
    output = quantized.generate(case.ids, max_new_tokens=3, do_sample=False)
    assert output.shape == (1, case.ids.shape[1] + 3)


def test_the_score_is_that_of_the_last_real_token() -> None:
    scorer = AutoModelForSequenceClassification.from_pretrained(golden("base"), num_labels=1).float().eval()
    assert not any("lm_head" in name for name, _ in scorer.named_parameters())
    batch = scorer(IDS, attention_mask=BATCH["attention_mask"]).logits
    alone = torch.cat([scorer(IDS[:1]).logits, scorer(IDS[1:, :6]).logits])
    torch.testing.assert_close(batch, alone, atol=TOLERANCE, rtol=0)
    left = torch.cat((IDS[1:, 6:], IDS[1:, :6]), 1)  # the padding at the other side
    padded = scorer(left, attention_mask=(left != 3).long()).logits
    torch.testing.assert_close(padded, alone[1:], atol=TOLERANCE, rtol=0)


def test_a_text_without_an_answer_is_all_context() -> None:
    """A reward model may score a text that was cut before its bos: every token sees every other, and nothing fails."""
    text = torch.tensor([[48, 9, 163, 7]])
    other = torch.tensor([[48, 9, 163, 8]])
    its = fresh().eval()
    assert not torch.allclose(its(text).logits[0, 0], its(other).logits[0, 0])
