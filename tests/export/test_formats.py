"""What each format writes, letter by letter."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from app.errors import ConfigurationError, InvalidRequest
from app.export.base import Format, Layout, Options, Row, encoded, find_formats, get_format

from .rated import complete_rows_of, long_conversation, rated_conversation, rows_of

SYSTEM, ASKED = "Be brief.", "泡绿茶用多热的水？"
GOOD, BAD = "八十度。🍵\n别用沸水。", 'Just "boil" it.'
PROMPT = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": ASKED}]
TOGETHER = f"{SYSTEM}\n\n{ASKED}"


def said(role: str, text: str) -> list[Row]:
    return [{"role": role, "content": text}]


def turn(name: str, text: str, key: str = "value") -> Row:
    return {"from": name, key: text}


# What a question with a liked and a disliked reply becomes, without `meta`.
GOLDEN: dict[str, list[Row]] = {
    "trl_pairs": [{"prompt": PROMPT, "chosen": said("assistant", GOOD), "rejected": said("assistant", BAD)}],
    "trl_unpaired": [
        {"prompt": PROMPT, "completion": said("assistant", GOOD), "label": True},
        {"prompt": PROMPT, "completion": said("assistant", BAD), "label": False},
    ],
    "trl_sft": [{"messages": [*PROMPT, *said("assistant", GOOD)]}],
    "trl_prompts": [{"prompt": PROMPT}],
    "rankings": [],
    "anthropic_hh": [
        {
            "chosen": f"{SYSTEM}\n\nHuman: {ASKED}\n\nAssistant: {GOOD}",
            "rejected": f"{SYSTEM}\n\nHuman: {ASKED}\n\nAssistant: {BAD}",
        }
    ],
    "belle": [{"id": "C1M1", "conversations": [turn("human", TOGETHER), turn("assistant", GOOD)]}],
    "sharegpt": [
        {"id": "C1M1", "conversations": [turn("system", SYSTEM), turn("human", ASKED), turn("gpt", GOOD)]},
    ],
    "chatllama_actor": [{"user_input": TOGETHER, "completion": GOOD}],
    "chatllama_reward": [
        {"user_input": TOGETHER, "completion": GOOD, "score": 4.44},
        {"user_input": TOGETHER, "completion": BAD, "score": 1.0},
    ],
    "chatllama_rlhf": [{"user_input": TOGETHER}],
    "colossalai_sft": [{"messages": [turn("human", TOGETHER, "content"), turn("assistant", GOOD, "content")]}],
    "colossalai_preference": [
        {
            "context": [turn("human", TOGETHER, "content")],
            "chosen": turn("assistant", GOOD, "content"),
            "rejected": turn("assistant", BAD, "content"),
        }
    ],
    "colossalai_kto": [
        {
            "prompt": [turn("human", TOGETHER, "content")],
            "completion": turn("assistant", text, "content"),
            "label": text is GOOD,
        }
        for text in (GOOD, BAD)
    ],
    "chatglm_tuning": [{"context": f"Instruction: {SYSTEM}\nInput: {ASKED}\nAnswer: ", "target": GOOD}],
    "chatglm_ptuning": [{"prompt": TOGETHER, "response": GOOD, "history": []}],
    "llama_factory_sft": [{"conversations": [turn("human", ASKED), turn("gpt", GOOD)], "system": SYSTEM}],
    "llama_factory_preference": [
        {
            "conversations": [turn("human", ASKED)],
            "chosen": turn("gpt", GOOD),
            "rejected": turn("gpt", BAD),
            "system": SYSTEM,
        }
    ],
    "open_assistant": [
        {
            "message_tree_id": "C1M0",
            "tree_state": "ready_for_export",
            "prompt": {
                "message_id": "C1M0",
                "text": ASKED,
                "role": "prompter",
                "lang": "zh",
                "synthetic": False,
                "model_name": "",
                "labels": {},
                "replies": [
                    {
                        "message_id": "C1M1",
                        "parent_id": "C1M0",
                        "text": GOOD,
                        "role": "assistant",
                        "lang": "zh",
                        "synthetic": True,
                        "model_name": "smollm2-135m-instruct",
                        "rank": 0,
                        "labels": {"quality": {"value": 0.8889, "count": 1}},
                        "replies": [],
                    },
                    {
                        "message_id": "C1M2",
                        "parent_id": "C1M0",
                        "text": BAD,
                        "role": "assistant",
                        "lang": "en",
                        "synthetic": True,
                        "model_name": "other-model",
                        "rank": 1,
                        "labels": {
                            "quality": {"value": 0.0, "count": 1},
                            "lang_mismatch": {"value": 1.0, "count": 1},
                        },
                        "replies": [],
                    },
                ],
            },
        }
    ],
}
MARKDOWN = """\
## C1

**System**

> Be brief.

**Question**

> 泡绿茶用多热的水？

### Good (9 of 10): smollm2-135m-instruct

> 八十度。🍵
> 别用沸水。

### Bad (wrong, language; Wrong, and not Chinese.): other-model

> Just "boil" it.

### Preferred: smollm2-135m-instruct

> 八十度。🍵
> 别用沸水。

### Rejected: other-model

> Just "boil" it.

### To imitate: smollm2-135m-instruct

> 八十度。🍵
> 别用沸水。

"""
FORMATS = find_formats().values()


def without_meta(rows: list[Row | None]) -> list[Row | None]:
    return [row and {key: value for key, value in row.items() if key != "meta"} for row in rows]


def test_every_format_has_its_golden_rows() -> None:
    assert find_formats().keys() == {*GOLDEN, "markdown"}


@pytest.mark.parametrize("name", GOLDEN)
def test_rows(name: str) -> None:
    assert without_meta(rows_of(get_format(name), rated_conversation())) == GOLDEN[name]


def test_markdown_is_for_people() -> None:
    (row,) = complete_rows_of(get_format("markdown"), rated_conversation())
    assert encoded(row, Layout.TEXT).decode() == MARKDOWN


def test_meta_says_where_a_row_comes_from() -> None:
    row = complete_rows_of(get_format("trl_unpaired"), rated_conversation())[1]
    assert json.loads(row["meta"]) == {
        "kind": "label",
        "source": "ratings",
        "message_id": "C1M2",
        "conversation_id": "C1",
        "corrects_id": None,
        "created_at": "2026-01-01T00:02:00.000+00:00",
        "finish_reason": "stop",
        "model": "other-model",
        "model_digest": "b179",
        "adapter": None,
        "quantization": "Q4_1",
        "engine": "llama_cpp",
        "prompt_digest": "c0ffee",
        "seed": 7,
        "judgement_ids": ["C1R1"],
        "judged_at": "2026-01-01T02:00:00.000+00:00",
        "votes_up": 0,
        "votes_down": 1,
        "score": None,
        "reasons": ["wrong", "language"],
        "comment": "Wrong, and not Chinese.",
    }


@pytest.mark.parametrize("made", FORMATS, ids=lambda made: made.name)
def test_columns_are_safe_for_trainers(made: Format) -> None:
    chats = (rated_conversation(), long_conversation("C2"), long_conversation("C3", system_prompt="Be exact."))
    rows = [row for row in rows_of(made, *chats) if row is not None]
    assert rows
    for row in rows:
        assert not row.keys() & {"image", "images", "tools", "margin"}
        assert list(row) == list(rows[0])
        assert {key: type(value) for key, value in row.items()} == {k: type(v) for k, v in rows[0].items()}
        assert json.loads(json.dumps(row)) == row
        if "meta" in row:
            meta = json.loads(row["meta"])
            assert meta["judgement_ids"]
            assert meta["conversation_id"].startswith("C")
    assert ("meta" in rows[0]) is (made.name not in ("markdown", "open_assistant"))


def test_longer_conversations_keep_their_turns() -> None:
    first, answer, second = "Which tea is green?", "Longjing is.", "How hot?"
    chat = long_conversation()
    pairs = complete_rows_of(get_format("trl_pairs"), chat)
    prompt = [*said("user", first), *said("assistant", answer), *said("user", second)]
    assert [row["prompt"] for row in pairs] == [prompt] * 3
    assert [(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in pairs] == [
        ("80 °C.", "Boiling."),
        ("80 °C.", "Warm."),
        ("75 to 80 °C.", "80 °C."),
    ]
    (shown,) = complete_rows_of(get_format("belle"), chat)
    assert [each["value"] for each in shown["conversations"]] == [first, answer, second, "75 to 80 °C."]
    (tuned,) = complete_rows_of(get_format("chatglm_ptuning"), chat)
    assert (tuned["history"], tuned["prompt"]) == ([[first, answer]], second)
    (asked,) = complete_rows_of(get_format("chatllama_rlhf"), chat)
    assert asked["user_input"] == f"Human: {first}\n\nAssistant: {answer}\n\nHuman: {second}"


def test_a_ranking_keeps_its_ties() -> None:
    ranked, corrected = complete_rows_of(get_format("rankings"), long_conversation())
    assert [each[0]["content"] for each in ranked["completions"]] == ["80 °C.", "Warm.", "Boiling."]
    assert (ranked["ranks"], ranked["both_bad"]) == ([1, 2, 2], False)
    assert corrected["ranks"] == [1, 2]
    assert json.loads(ranked["meta"])["positions"] == [1, 2, 2]


def test_open_assistant_ranks_by_how_many_others_are_worse() -> None:
    (tree,) = complete_rows_of(get_format("open_assistant"), long_conversation())
    answered = tree["prompt"]["replies"][0]["replies"][0]["replies"]
    assert {each["text"]: each["rank"] for each in answered} == {
        "75 to 80 °C.": 0,
        "80 °C.": 0,
        "Warm.": 1,
        "Boiling.": 1,
    }


def test_what_a_format_cannot_express_is_left_out() -> None:
    assert rows_of(get_format("chatglm_tuning"), long_conversation()) == [None]
    chat = long_conversation(system_prompt="Say\n\nHuman: and nothing else.")
    assert rows_of(get_format("anthropic_hh"), chat) == [None, None, None]


def test_reasoning_is_in_a_column_of_its_own_if_asked_for() -> None:
    for made in FORMATS:
        plain = json.dumps(rows_of(made, rated_conversation()), ensure_ascii=False)
        assert "绿茶怕烫" not in plain, made.name
    with_it = Options(reasoning=True)
    (pair,) = complete_rows_of(get_format("trl_pairs"), rated_conversation(), options=with_it)
    assert (pair["chosen_reasoning"], pair["rejected_reasoning"]) == ("绿茶怕烫。", "")
    (shown,) = complete_rows_of(get_format("trl_sft"), rated_conversation(), options=with_it)
    assert (shown["reasoning"], shown["messages"]) == ("绿茶怕烫。", GOLDEN["trl_sft"][0]["messages"])


def test_an_unknown_format_names_those_there_are() -> None:
    with pytest.raises(InvalidRequest, match="trl_pairs, trl_prompts"):
        get_format("parquet")


def test_one_name_in_two_files_names_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_formats"
    package.mkdir()
    (package / "__init__.py").touch()
    for name in ("one", "two"):
        (package / f"{name}.py").write_text("from app.export.trl_pairs import FORMAT\n")
    monkeypatch.syspath_prepend(tmp_path)
    import some_formats  # type: ignore[import-not-found]

    try:
        with pytest.raises(ConfigurationError, match=r"trl_pairs: .*one\.py and .*two\.py"):
            find_formats(some_formats)
    finally:
        for name in [m for m in sys.modules if m.startswith("some_formats")]:
            del sys.modules[name]


def test_the_docs_show_an_example_of_every_format() -> None:
    page = (Path(__file__).parents[2] / "docs" / "feedback.md").read_text("utf-8")
    shown = dict(re.findall(r"^\*\*`(\w+)`\*\*.*\n\n```json\n(.*)\n```$", page, flags=re.MULTILINE))
    assert shown.keys() | {"markdown"} == find_formats().keys()
    for name, line in shown.items():
        rows = [row for row in rows_of(get_format(name), rated_conversation(), long_conversation()) if row]
        assert json.loads(line).keys() == rows[0].keys(), name
