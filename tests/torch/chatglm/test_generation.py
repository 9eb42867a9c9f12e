"""Batches, beams, chats and the guard, through transformers' own `generate`."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("transformers", reason="the torch extra is not installed")

from transformers import (  # noqa: E402
    GenerationConfig,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from app.families.chatglm.modeling import InvalidScores  # noqa: E402
from app.families.chatglm_prompt import ChatGLMCleaner  # noqa: E402
from tests.torch.chatglm.golden import TOLERANCE, Case, fresh, listed, model, tensors, tokenizer  # noqa: E402

CHAT = listed("chat/cases.json")
SETTINGS = listed("sampling/sampling.json")


@pytest.mark.parametrize("options", [{}, {"num_beams": 3}, {"num_beams": 2, "num_return_sequences": 2}])
def test_left_padding_changes_no_reply(options: dict[str, Any]) -> None:
    case = Case("base", "batch_left_padded")
    settings = {"max_new_tokens": 10, "do_sample": False, **options}
    its, length = model("base"), case.ids.shape[1]
    batch = its.generate(case.ids, attention_mask=case.real.long(), **settings)[:, length:]
    replies = options.get("num_return_sequences", 1)
    for row in range(len(case.ids)):
        prompt = Case("base", f"batch_row{row}_alone").ids
        alone = its.generate(prompt, **settings)[:, prompt.shape[1] :]
        assert batch[row * replies : (row + 1) * replies].tolist() == alone.tolist()


def test_padding_is_seen_without_being_told() -> None:
    """The padding token marks it, as everywhere in transformers."""
    case = Case("base", "batch_left_padded")
    output = model("base").generate(case.ids, max_new_tokens=4, do_sample=False)
    assert output[:, case.ids.shape[1] :].tolist() == case.fields["greedy_cached"][:, :4].tolist()


def test_positions_can_be_given() -> None:
    """Those of the original's padding, say, which prefers [MASK]."""
    case = Case("base", "batch_tokenizer_positions")
    settings = {"attention_mask": case.real.long(), "max_new_tokens": 1, "do_sample": False}
    given = model("base").generate(case.ids, positions=case.positions, **settings)[:, -1]
    assert given.tolist() == case.logits[:, -1].argmax(-1).tolist()
    longer = model("base").generate(case.ids, positions=case.positions, **{**settings, "max_new_tokens": 3})
    uncached = model("base").generate(
        case.ids, positions=case.positions, use_cache=False, **{**settings, "max_new_tokens": 3}
    )
    assert longer.tolist() == uncached.tolist()


@pytest.mark.parametrize("case", CHAT["chat"], ids=lambda case: f"{len(case['history'])}-{case['query'][:12]}")
def test_chats_are_the_originals(case: dict[str, Any]) -> None:
    """From the prompt's text to the reply's, on the real vocabulary. Prompts are tests/families/test_chatglm.py's."""
    it = tokenizer()
    ids = it(case["prompt"], return_tensors="pt")
    assert ids["input_ids"][0].tolist() == case["input_ids"]
    said = [[("user", question), ("assistant", answer)] for question, answer in case["history"]]
    messages = [{"role": role, "content": text} for pair in [*said, [("user", case["query"])]] for role, text in pair]
    templated = it.apply_chat_template(messages, add_generation_prompt=True)["input_ids"]
    if "[MASK]" in case["query"]:  # what people say is never parsed for control tokens; the original parses it
        assert it.convert_tokens_to_ids("[MASK]") not in templated
        assert case["query"] in it.decode(templated)
    else:
        assert templated == case["input_ids"]
    output = model("chat").generate(**ids, max_length=case["max_length"], do_sample=False)[0]
    generated = output[len(case["input_ids"]) :].tolist()
    assert generated == case["generated_ids"]
    assert (generated[-1] == it.eos_token_id) is case["ended_with_eos"]
    assert it.decode(generated) == case["decoded"]
    cleaner = ChatGLMCleaner()
    assert cleaner.push(case["decoded"]) + cleaner.flush() == case["response"]


def test_the_originals_defaults_are_what_a_checkpoint_gives() -> None:
    expected, config = CHAT["defaults"], fresh("chat").generation_config
    for name in ("bos", "eos", "pad"):
        assert getattr(config, f"{name}_token_id") == expected[f"generation_config_{name}"]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting["name"])
def test_filters_are_the_originals(setting: dict[str, Any]) -> None:
    """In the order in which `generate` applies them."""
    logits = tensors("sampling/sampling.safetensors")["logits"]
    sampled = {name: setting[name] for name in ("temperature", "top_p", "top_k")}
    config = GenerationConfig(do_sample=True, **sampled)
    its = model("base")
    config._eos_token_tensor = None
    processors = its._get_logits_processor(config, logits_processor=LogitsProcessorList())
    guard, *filters = processors
    assert isinstance(guard, InvalidScores)
    kinds = [TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper]
    assert [type(one).__name__ for one in filters if type(one) in kinds] == setting["order"]
    probabilities = processors(torch.zeros(len(logits), 1, dtype=torch.long), logits.clone()).softmax(-1)
    expected = tensors("sampling/sampling.safetensors")[f"{setting['name']}.probabilities"]
    torch.testing.assert_close(probabilities, expected, atol=1e-6, rtol=0)
    assert (probabilities > 0).sum(-1).tolist() == setting["kept"]


@pytest.mark.parametrize("name", ["clean", "one_nan", "one_inf", "minus_inf"])
def test_the_guard_is_the_originals(name: str) -> None:
    golden = tensors("sampling/sampling.safetensors")
    scores = golden[f"invalid.{name}.in"].clone()
    assert torch.equal(InvalidScores()(torch.zeros(1, 1), scores), golden[f"invalid.{name}.out"])


def test_a_model_gone_wrong_still_ends() -> None:
    broken = fresh().eval()
    broken.transformer.final_layernorm.weight.data.fill_(float("nan"))
    ids = Case("base", "shortest").ids
    output = broken.generate(ids, max_new_tokens=3, do_sample=True, top_p=0.7, temperature=0.95)
    assert output[0, ids.shape[1] :].tolist() == [5, 5, 5]


def test_right_padding_changes_nothing_but_the_padding() -> None:
    """As trainers pad."""
    case = Case("base", "batch_left_padded")
    ids, mask = torch.full_like(case.ids, 3), torch.zeros_like(case.ids)
    for row, real in enumerate(case.real.sum(1).tolist()):
        ids[row, :real], mask[row, :real] = case.ids[row, -real:], 1
    logits = model("base")(ids, attention_mask=mask).logits
    torch.testing.assert_close(logits[mask.bool()], case.logits[case.real], atol=TOLERANCE, rtol=0)
