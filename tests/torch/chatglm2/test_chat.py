"""Whole conversations against the original's: prompt, ids, greedy reply, clean-up; and what of it is not copied."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("transformers", reason="the torch extra is not installed")

from transformers import DynamicCache  # noqa: E402

from app.domain.messages import Role, Turn  # noqa: E402
from app.engine.torch.rendering import render_messages  # noqa: E402
from app.families import load_families  # noqa: E402
from tests.torch.chatglm2.golden import chat_cases, model  # noqa: E402
from tests.torch.chatglm2.test_tokenizer import tokenizer  # noqa: E402


def turns_of(history: list[list[str]], query: str) -> list[Turn]:
    said = [Turn(role, text) for pair in history for role, text in zip((Role.USER, Role.ASSISTANT), pair, strict=True)]
    return [*said, Turn(Role.USER, query)]


def cleaned(generation: int, text: str, step: int = 1) -> str:
    cleaner = load_families()[f"chatglm{generation}"].cleaner
    assert cleaner is not None
    its = cleaner()
    return "".join(its.push(text[start : start + step]) for start in range(0, len(text), step)) + its.flush()


def reply(ids: list[int], max_length: int, stop: tuple[int, ...]) -> list[int]:
    sequence = model("base").generate(
        torch.tensor([ids]), max_length=max_length, do_sample=False, eos_token_id=list(stop)
    )
    return [int(index) for index in sequence[0, len(ids) :]]


@pytest.mark.parametrize("number", range(4))
def test_chatglm2_chats_as_the_original_does(number: int) -> None:
    golden = chat_cases(2)["chat"][number]
    its = tokenizer(2)
    render = load_families()["chatglm2"].render
    assert render is not None
    prompt = render(turns_of(golden["history"], golden["query"]))
    assert prompt == golden["prompt"]
    encoded = its(prompt)
    assert encoded["input_ids"] == golden["input_ids"]
    assert encoded["attention_mask"] == golden["attention_mask"]
    messages = [{"role": turn.role, "content": turn.content} for turn in turns_of(golden["history"], golden["query"])]
    assert its.apply_chat_template(messages, add_generation_prompt=True)["input_ids"] == golden["input_ids"]

    ids = reply(golden["input_ids"], golden["max_length"], its.stop_token_ids)
    assert ids == golden["generated_ids"]
    assert cleaned(2, its.decode(ids)) == golden["response"]
    assert [*golden["history"], [golden["query"], cleaned(2, its.decode(ids))]] == golden["new_history"]
    texts = [its.decode(ids[:end]) for end in range(1, len(ids) + 1)]
    stream = [cleaned(2, text) for text in texts if text and not text.endswith("\ufffd")]
    assert stream == golden["stream_responses"]


def test_chatglm2_goes_on_from_what_its_cache_holds() -> None:
    its, cache = tokenizer(2), DynamicCache()
    for golden in chat_cases(2)["incremental_chat"]:
        rounds = len(golden["history_before"]) + 1
        text = f"[Round {rounds}]\n\n问：{golden['query']}\n\n答："
        # A later round has no [gMASK] sop of its own; the first piece of a text is not that of the text after a blank.
        ids = its(text)["input_ids"] if rounds == 1 else its.encode("\n\n" + text, add_special_tokens=False)[1:]
        assert ids == golden["input_ids_of_this_turn"]
        assert cache.get_seq_length() == golden["first_position"]
        given, said = torch.tensor([ids]), []
        for _ in range(6):
            logits = model("base")(given, cache=cache, use_cache=True).logits
            given = logits[:, -1:].argmax(-1)
            said.append(int(given))
        assert cleaned(2, its.decode(said)) == golden["response"]
        assert cache.get_seq_length() == golden["cache_length_after"]


@pytest.mark.parametrize("number", range(4))
def test_chatglm3_chats_as_the_original_does(number: int) -> None:
    golden = chat_cases(3)["chat"][number]
    its = tokenizer(3)
    messages = [*golden["history"], {"role": golden["role"], "content": golden["query"]}]
    encoded = its.apply_chat_template(messages, add_generation_prompt=True)
    assert encoded["input_ids"] == golden["input_ids"]
    assert encoded["attention_mask"] == golden["attention_mask"]

    # The last token is always dropped: it is the stop token, or else the one at the length limit.
    ids = reply(golden["input_ids"], golden["max_length"], its.stop_token_ids)[:-1]
    response = cleaned(3, its.decode(ids))
    if isinstance(golden["response"], dict):
        # With tools the original runs the reply as program code, which failed here. Here a reply is a text.
        assert golden["response"] == {"error": "SyntaxError"}
        assert response
    else:
        assert response == golden["response"]
        reply_message = {"role": "assistant", "metadata": "", "content": response}
        assert [*messages, reply_message] == golden["new_history"]


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize("generation", [2, 3])
def test_replies_are_cleaned_up_as_by_the_original(generation: int, step: int) -> None:
    plain = 0
    for golden in chat_cases(generation)["process_response"]:
        text = golden["input"] if generation == 2 else golden["output"]
        expected = golden["output"] if generation == 2 else golden["content"]
        # Not copied of ChatGLM3's: calls of tools, which it makes by running the reply as code; and that of a reply
        # which begins a second message only that one is kept, when the first has been read already.
        if isinstance(expected, str) and "<|assistant|>" not in text:
            assert cleaned(generation, text, step) == expected
            plain += 1
        else:
            assert cleaned(generation, text, step) == text.strip()
    assert plain >= 3


def test_the_program_code_of_a_reply_is_never_run() -> None:
    code = "tool\n ```python\n__import__('os').abort()\n```"
    assert cleaned(3, code) == code
    its = tokenizer(3)
    conversation = [{"role": "user", "content": "x"}, {"role": "assistant", "metadata": "tool", "content": code}]
    assert its.decode(its.apply_chat_template(conversation)["input_ids"]).endswith("```")


def test_tools_stand_in_the_system_message() -> None:
    golden = chat_cases(3)["chat"][2]
    its = tokenizer(3)
    tools = golden["history"][0]["tools"]
    question = {"role": "user", "content": golden["query"]}
    ids = its.apply_chat_template([question], tools=tools, add_generation_prompt=True)["input_ids"]
    assert ids == golden["input_ids"]
    system = {"role": "system", "content": golden["history"][0]["content"]}
    ids = its.apply_chat_template([system, question], tools=tools, add_generation_prompt=True)["input_ids"]
    assert ids == golden["input_ids"]


@pytest.mark.parametrize("generation", [2, 3])
def test_what_is_learned_begins_where_generation_begins(generation: int) -> None:
    """The ids of a conversation with its reply begin with those of the prompt alone, and end with eos."""
    its = tokenizer(generation)
    question, answer = {"role": "user", "content": "你好"}, {"role": "assistant", "content": "Hello, world!"}
    prompt = its.apply_chat_template([question], add_generation_prompt=True)["input_ids"]
    whole = its.apply_chat_template([question, answer], return_assistant_tokens_mask=True)
    ids = whole["input_ids"]
    assert ids[: len(prompt)] == prompt
    assert ids[-1] == its.eos_token_id
    assert whole["assistant_masks"] == [0] * len(prompt) + [1] * (len(ids) - len(prompt))
    assert cleaned(generation, its.decode(ids[len(prompt) :])) == "Hello, world!"
    continued = its.apply_chat_template([question, answer], continue_final_message=True)["input_ids"]
    assert continued == ids[:-1]


@pytest.mark.parametrize("prefill", ["", "Hello"])
def test_the_engine_continues_a_reply_behind_its_metadata(prefill: str) -> None:
    its = tokenizer(3)
    prompt = its.apply_chat_template([{"role": "user", "content": "你好"}], add_generation_prompt=True)["input_ids"]
    begun = [text for text in ("\n", prefill) if prefill]
    expected = prompt + [index for text in begun for index in its.encode(text, add_special_tokens=False)]
    text, ids = render_messages(its, [{"role": "user", "content": "你好"}], prefill)
    assert ids == expected
    assert text.endswith(prefill)


@pytest.mark.parametrize("generation", [2, 3])
def test_the_forms_that_transformers_has(generation: int) -> None:
    its = tokenizer(generation)
    chats = [[{"role": "user", "content": text}] for text in ("你好", "Hello, world!")]
    batch = its.apply_chat_template(chats, add_generation_prompt=True, padding=True, return_tensors="pt")
    alone = its.apply_chat_template(chats[0], add_generation_prompt=True, return_dict=False)
    assert batch["input_ids"][0, -len(alone) :].tolist() == alone
    assert int(batch["attention_mask"][0].sum()) == len(alone)
    short = its.apply_chat_template(chats[1], truncation=True, max_length=5)["input_ids"]
    assert len(short) == 5
    text = its.apply_chat_template(chats[0], add_generation_prompt=True, tokenize=False)
    assert "你好" in text
    with pytest.raises(ValueError, match="no 'wizard'"):
        its.apply_chat_template([{"role": "wizard", "content": "x"}])
    if generation == 2:
        with pytest.raises(ValueError, match="tools"):
            its.apply_chat_template(chats[0], tools=[{"name": "x"}])
    with pytest.raises(ValueError, match="chat_template"):
        its.apply_chat_template(chats[0], chat_template="{{ messages }}")
