"""Judgements in files of other programs, one sample for each shape."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.chat.transfer.reading.datasets import MAX_UNNAMED
from app.chat.transfer.reading.judgements import ReadRanking
from app.chat.transfer.reading.tree import ReadConversation
from tests.support.chat_files import found_in

SAMPLES = Path(__file__).parent / "samples"


def sample(name: str) -> tuple[list[ReadConversation], Counter[str]]:
    """The conversations of a sample, and why others were skipped."""
    chats, unread = found_in((SAMPLES / name).read_bytes())
    return chats, Counter(one.reason.value for one in unread)


def ranks(chat: ReadConversation, ranking: ReadRanking | None = None) -> dict[str, int | None]:
    """What the only ranking of a conversation says of its replies, by their texts."""
    given = ranking or chat.rankings[0]
    assert ranking or len(chat.rankings) == 1
    return {chat.messages[at].content: rank for at, rank, _, _ in given.items}


def rated(chat: ReadConversation) -> dict[str, list[tuple[Any, ...]]]:
    """The ratings of a conversation by the texts of the replies: verdict, reasons, score."""
    return {
        message.content: [(given["verdict"], given["reasons"], given["score"]) for given in message.ratings]
        for message in chat.messages
        if message.ratings
    }


def texts(chat: ReadConversation) -> list[str]:
    return [message.content for message in chat.messages]


def test_annotations_of_open_webui_come_with_the_chat() -> None:
    (chat,), _ = sample("open_webui_chats.json")
    assert rated(chat) == {"80 °C.": [("up", ["correct"], 9)], "100 °C.": [("down", ["wrong"], 2)]}
    assert chat.messages[1].ratings[0]["comment"] == "Yes #tea"
    assert (chat.title, chat.is_row) == ("Tea", False)


def test_feedback_of_open_webui_is_a_vote_in_its_arena() -> None:
    (up, down, thumb), _ = sample("open_webui_feedback.json")
    assert rated(up) == {"80 °C.": [("up", ["thorough"], 8)]}, "and not what others said about the same chat"
    assert up.messages[1].ratings[0]["comment"] == "Good #tea #hot_water"
    assert (ranks(up), ranks(down)) == ({"80 °C.": 1, "100 °C.": 2}, {"80 °C.": 2, "100 °C.": 1})
    assert (up.rankings[0].blind, up.rankings[0].rater, down.rankings[0].rater) == (True, "u1", "u2")
    assert {message.model for message in up.messages} == {"", "qwen3", "llama3"}
    assert (rated(thumb), thumb.rankings) == ({"100 °C.": [("up", [], None)]}, ())
    assert up.is_row, "each is a copy of the chat"
    assert up.created_at.timestamp() == 1760000000
    assert up.rankings[0].created_at is not None
    assert up.rankings[0].created_at.timestamp() == 1760000200


def test_votes_in_fastchats_log() -> None:
    (left, right, tie, bad, up, down, flag), skipped = sample("fastchat.jsonl")
    assert skipped == {"no_vote": 1, "other_prompts": 1}
    assert ranks(left) == {"left": 1, "right": 2}
    assert ranks(right) == {"left": 2, "right": 1}
    assert ranks(tie) == {"left": 1, "right": 1}, "of a longer dialogue, where it parts"
    assert texts(tie) == ["q", "left", "right", "q2", "q2", "l2", "r2"]
    assert (ranks(bad), bad.rankings[0].both_bad) == ({"left": None, "right": None}, True)
    assert [one.rankings[0].blind for one in (left, right)] == [True, False]
    assert [at for _, _, at, _ in left.rankings[0].items] == [0, 1], "left and right"
    assert left.rankings[0].rater != right.rankings[0].rater
    assert [message.model for message in left.messages] == ["", "vicuna-13b", "koala-13b"]
    assert (rated(up), texts(up)) == ({"a": [("up", [], None)]}, ["q", "a"]), "without the examples of the template"
    assert (rated(down), rated(flag)) == ({"a": [("down", [], None)]}, {"a": [("down", ["unsafe"], None)]})
    assert left.system_prompt == "Be kind."


def test_published_votes_of_the_arena() -> None:
    (left, right, tie, bad), _ = sample("arena_votes.jsonl")
    assert [ranks(one) for one in (left, right, tie)] == [
        {"left": 1, "right": 2},
        {"left": 2, "right": 1},
        {"left": 1, "right": 1},
    ]
    assert bad.rankings[0].both_bad
    assert (left.rankings[0].blind, left.rankings[0].rater) == (True, "arena_user_973")
    assert [message.model for message in left.messages] == ["", "chatglm-6b", "koala-13b"]


def test_trees_of_open_assistant() -> None:
    (tree,), skipped = sample("open_assistant_trees.jsonl")
    assert skipped == {"rejected": 1}
    assert tree.left_out == {"spam": 1, "deleted": 1}
    assert ranks(tree) == {"80 °C.": 1, "100 °C.": 3, "Warm.": 3}
    assert rated(tree) == {
        "80 °C.": [("up", ["creative"], 9)],
        "100 °C.": [("down", [], 2)],
        "Hateful.": [("down", ["unsafe"], None)],
    }
    assert tree.changed == {"scores": 1}, "a quality in the middle"
    assert {message.content: message.model for message in tree.messages}["80 °C."] == "oasst-pythia"
    assert tree.is_row


def test_messages_of_open_assistant_are_told_apart_by_tree() -> None:
    (one, other), _ = sample("open_assistant_messages.jsonl")
    assert (ranks(one), ranks(other)) == ({"good1": 1, "bad1": 2}, {"good2": 1, "bad2": 2})
    assert rated(one) == {"good1": [("up", [], 10)], "bad1": [("down", [], 1)]}


@pytest.mark.parametrize(
    ("name", "count"),
    [("trl_preference.jsonl", 4), ("anthropic_hh.jsonl", 1), ("belle_reward.jsonl", 1), ("belle_dpo.jsonl", 1)],
)
def test_pairs_become_siblings_and_a_ranking(name: str, count: int) -> None:
    chats, skipped = sample(name)
    assert (len(chats), skipped) == (count, {})
    for chat in chats:
        assert ranks(chat) == {"good": 1, "bad": 2}
        assert chat.rankings[0].source == "import"
        assert chat.is_row
        assert chat.messages[-1].parent == chat.messages[-2].parent
    if name == "anthropic_hh.jsonl":
        assert texts(chats[0]) == ["q", "first", "q2", "good", "bad"]


def test_an_open_dialogue_as_the_prompt() -> None:
    (chat,), _ = sample("static.jsonl")
    assert texts(chat) == ["q", "first", "q2", " good", " bad"]


def test_labels_and_scores() -> None:
    chats, _ = sample("trl_unpaired.jsonl")
    assert [rated(one) for one in chats] == [
        {"good": [("up", [], None)]},
        {"bad": [("down", [], None)]},
        {"bad": [("down", [], None)]},
    ]
    chats, _ = sample("chatllama_reward.json")
    assert [rated(one) for one in chats] == [{"good": [("up", [], 9)]}, {"bad": [("down", [], 1)]}, {}, {}]
    assert [dict(one.changed) for one in chats] == [{}, {}, {"scores": 1}, {"scores": 1}]


def test_llama_factory_and_colossal_ai() -> None:
    (pair, long, former, liked, disliked), _ = sample("llama_factory_preference.json")
    assert (ranks(pair), pair.system_prompt) == ({"good": 1, "bad": 2}, "Be brief.")
    assert (texts(long), ranks(long)) == (["q0", "a0", "q", "good", "bad"], {"good": 1, "bad": 2})
    assert ranks(former) == {"good": 1, "bad": 2}
    assert (rated(liked), rated(disliked)) == ({"good": [("up", [], None)]}, {"bad": [("down", [], None)]})
    (pair, label), _ = sample("colossalai.jsonl")
    assert (ranks(pair), rated(label)) == ({"good": 1, "bad": 2}, {"good": [("up", [], None)]})


def test_argilla() -> None:
    (named, ordered, scored, bad, both_bad), skipped = sample("argilla.json")
    assert skipped == {"no_vote": 1}
    assert (ranks(named), named.rankings[0].rater) == ({"good": 1, "bad": 2}, "u1"), "what was discarded doesn't count"
    assert ranks(ordered) == {"good": 1, "bad": 2}
    assert (rated(scored), scored.changed) == ({"good": [("up", [], 10)]}, {"scores": 1})
    assert scored.messages[1].ratings[0]["rater"] == "u1"
    assert rated(bad) == {"bad": [("down", [], None)]}
    assert both_bad.rankings[0].both_bad


@pytest.mark.parametrize(
    ("name", "expected", "is_row"),
    [
        ("chatglm_history.json", ["q", "a", "q2", "a2"], False),
        ("alpaca.json", ["Add\n\n1 + 1", "2"], True),
        ("chatglm_tuning.jsonl", ["Add\n\n1 + 1", "2"], True),
        ("sharegpt.json", ["q", "a"], False),
    ],
)
def test_without_judgements(name: str, expected: list[str], is_row: bool) -> None:
    chats, _ = sample(name)
    assert (texts(chats[0]), chats[0].is_row, chats[0].rankings, rated(chats[0])) == (expected, is_row, (), {})


def test_many_conversations_without_titles_and_dates_are_a_dataset() -> None:
    def share(n: int, **more: Any) -> dict[str, Any]:
        return {"conversations": [{"from": "human", "value": f"q{n}"}, {"from": "gpt", "value": "a"}], **more}

    few, _ = found_in([share(n) for n in range(MAX_UNNAMED)])
    assert not any(one.is_row for one in few)
    many, _ = found_in([share(n) for n in range(MAX_UNNAMED + 1)])
    assert all(one.is_row for one in many)
    named, _ = found_in([share(n, title=str(n)) for n in range(MAX_UNNAMED + 1)])
    assert not any(one.is_row for one in named)
    rows = [{"prompt": str(n), "chosen": "a", "rejected": "b"} for n in range(5000)]
    mixed, _ = found_in([share(1), *rows])
    assert [one.is_row for one in mixed] == [False] + [True] * 5000


def test_rankings_that_cannot_be_one_are_left_out_and_counted() -> None:
    pair = {"prompt": "q", "chosen": "good", "rejected": " "}
    assert found_in(pair)[0] == []
    nine = {"prompt": "q", "completions": [str(n) for n in range(9)], "ranks": list(range(1, 10))}
    (cut,), _ = found_in(nine)
    assert (list(ranks(cut)), cut.changed) == ([str(n) for n in range(8)], {"rankings": 1}), "the best eight"
    ((unread),) = found_in({"chosen": "\n\nHuman: a\n\nAssistant: x", "rejected": "\n\nHuman: b\n\nAssistant: y"})[1]
    assert unread.reason == "other_prompts"
