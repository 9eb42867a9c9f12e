from __future__ import annotations

import hashlib
import json
import random
import stat
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.feedback import ConversationFeedback, Decision, RankingSource
from app.domain.splits import Shares
from app.errors import InvalidRequest
from app.export.base import find_formats, get_format
from app.feedback.datasets.build import build
from app.feedback.datasets.spec import DatasetSpec, Filters

from .chats import DOWN, UP, Chat, judged

ALL = tuple(find_formats())
HALVES = Shares(0.2, 0.3)


def built(folder: Path, chats: Iterable[ConversationFeedback], **more: Any) -> dict[str, Any]:
    """The manifest of a dataset that was built in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = more.pop("formats", ("trl_pairs",))
    return build(chats, None, DatasetSpec("test", chosen, **more), folder, lambda *_: None, lambda: None)


def rows(folder: Path, format_name: str = "trl_pairs", split: str = "*") -> list[dict[str, Any]]:
    texts = [path.read_text("utf-8") for path in sorted(folder.glob(f"{format_name}-{split}.json*"))]
    return [json.loads(line.rstrip(",")) for text in texts for line in text.split("\n") if line.startswith("{")]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def many(n: int = 40) -> list[ConversationFeedback]:
    """Conversations about different things."""
    source = random.Random(3)
    return [judged(f"C{k:03}", " ".join(source.choices(WORDS, k=12))).done() for k in range(n)]


WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in ("ando", "irel", "ovan") for c in ("", "ta", "ski")]


def test_files_manifest_and_card(tmp_path: Path) -> None:
    manifest = built(tmp_path, many(), formats=ALL, shares=HALVES)
    assert json.loads((tmp_path / "manifest.json").read_text("utf-8")) == manifest
    for file in manifest["files"]:
        data = (tmp_path / file["name"]).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (file["sha256"], file["size_bytes"])
        if file["name"].endswith(".jsonl"):
            assert data.count(b"\n") == file["rows"]
        if file.get("format", "").startswith("chatllama"):
            assert len(json.loads(data)) == file["rows"]
    listed = {file["name"] for file in manifest["files"]}
    assert {path.name for path in tmp_path.iterdir()} == listed | {"manifest.json", ".judgements"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert manifest["rows"] == {"label": 80, "pair": 40, "demonstration": 40, "prompt": 40}
    by_split = {file["split"]: file["rows"] for file in manifest["files"] if file.get("format") == "trl_pairs"}
    assert by_split == {split: n for split, n in manifest["splits"]["conversations"].items() if n}
    assert len(by_split) == 3
    assert (manifest["judgements"], manifest["conversations"]) == (80, 40)
    card = (tmp_path / "README.md").read_text("utf-8")
    assert card.startswith('---\npretty_name: "test"\n')
    assert '- config_name: "trl_pairs"\n  data_files:\n  - split: "train"\n    path: "trl_pairs-train.jsonl"' in card
    assert "markdown-train" not in card.partition("\n---\n")[0]
    for name in ALL:
        assert get_format(name).description in card
    info = json.loads((tmp_path / "dataset_info.json").read_text("utf-8"))
    assert info["test_llama_factory_sft_train"]["file_name"] == "llama_factory_sft-train.jsonl"


def test_every_example_of_the_card_is_json(tmp_path: Path) -> None:
    built(tmp_path, [judged("C1", "Show ~~~~ and ``` fences " * 30).done()], formats=ALL, shares=Shares(0, 0))
    examples = (tmp_path / "README.md").read_text("utf-8").split("~~~~json\n")[1:]
    assert len(examples) == len(ALL) - 2  # no rankings; markdown is text
    for example in examples:
        json.loads(example.partition("\n~~~~\n")[0])


def test_the_same_log_gives_the_same_bytes(tmp_path: Path) -> None:
    for at in ("one", "two"):
        built(tmp_path / at, many(), formats=ALL, shares=HALVES, scrub=True)
    assert content(tmp_path / "one") == content(tmp_path / "two")


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms())
def test_the_order_within_the_log_makes_no_difference(
    tmp_path_factory: pytest.TempPathFactory, shuffler: random.Random
) -> None:
    """Messages may come in any order, and so may judgements of different people or replies."""
    chat = Chat("C1")
    asked = chat.question("How hot?")
    replies = [chat.reply(f"{n} degrees", asked) for n in range(4)]
    for n, reply in enumerate(replies):
        chat.rate(reply, UP if n % 2 else DOWN, user=f"u{n}")
    chat.rank((replies[0], 1), (replies[1], 2), user="u7")
    chat.rank((replies[2], 1), (replies[3], 1), user="u8")
    plain = chat.done()
    messages, ratings = list(plain.messages), list(plain.ratings)
    shuffler.shuffle(messages)
    shuffler.shuffle(ratings)
    mixed = replace(plain, messages=tuple(messages), ratings=tuple(ratings))
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    formats = ("trl_unpaired", "trl_pairs", "trl_sft", "trl_prompts", "open_assistant", "chatllama_reward")
    for folder, given_ in ((one, plain), (two, mixed)):
        built(folder, [given_], formats=formats)
    plain_rows, mixed_rows = (
        {name: [without_ids(row) for row in rows(folder, name)] for name in formats} for folder in (one, two)
    )
    assert plain_rows == mixed_rows


def without_ids(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose judgements are sorted: of equal importance, they are listed as they were given."""
    if "meta" not in row:
        return row
    meta = json.loads(row["meta"])
    return {**row, "meta": {**meta, "judgement_ids": sorted(meta["judgement_ids"])}}


QUESTIONS = [
    "How hot should the water be for green tea from the mountains?",
    "How hot should the water be for white tea from the mountains?",
    "Which planets of the solar system have more than two moons?",
    "Write a letter of complaint about a late train to the company.",
    "请解释一下为什么天空是蓝色的，用小学生能听懂的话",
    "请解释一下为什么天空是红色的，用小学生能听懂的话",
]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from(QUESTIONS), min_size=1, max_size=3), min_size=1, max_size=12))
def test_no_conversation_or_prompt_is_in_two_splits(
    tmp_path_factory: pytest.TempPathFactory, chats: list[list[str]]
) -> None:
    folder, log = tmp_path_factory.mktemp("dataset"), []
    for number, questions in enumerate(chats):
        chat, last = Chat(f"C{number}"), None
        for question in questions:
            asked = chat.question(question, last)
            last = chat.reply(f"good {number} {question}", asked)
            chat.rate(last, UP)
            chat.rate(chat.reply(f"bad {number} {question}", asked), DOWN)
        log.append(chat.done())
    built(folder, log, formats=("trl_pairs", "trl_prompts"), shares=Shares(0.3, 0.4))
    found: dict[str, set[str]] = {}
    for split in ("train", "validation", "test"):
        for row in rows(folder, "trl_pairs", split):
            found.setdefault(json.loads(row["meta"])["conversation_id"], set()).add(split)
            asked_ = "\n".join(turn["content"] for turn in row["prompt"] if turn["role"] == "user")
            kind = asked_.replace("white", "green").replace("红", "蓝")  # near duplicates
            found.setdefault(kind, set()).add(split)
    assert all(len(splits) == 1 for splits in found.values())


def test_a_conversation_stays_in_its_split_when_others_come(tmp_path: Path) -> None:
    few, more = many(20), many(40)
    for name, log in (("few", few), ("more", more)):
        built(tmp_path / name, log, shares=HALVES)
    for split in ("train", "test"):
        before = {json.loads(row["meta"])["conversation_id"] for row in rows(tmp_path / "few", split=split)}
        after = {json.loads(row["meta"])["conversation_id"] for row in rows(tmp_path / "more", split=split)}
        assert before
        assert before <= after


def test_what_may_not_be_used_vanishes_from_every_file(tmp_path: Path) -> None:
    secret = judged("C1", "secret question", "secret good", "secret bad")
    secret.allow_training = False
    withdrawn = Chat("C2")
    replies = [withdrawn.reply(f"secret {n}", withdrawn.question("secret too")) for n in range(2)]
    withdrawn.rank((replies[0], 1), (replies[1], 2), withdrawn=True)
    excluded = judged("C3", "secret, excluded")
    for rating in excluded.ratings:
        excluded.review(rating.id, Decision.EXCLUDED)
    kept = judged("C4", "kept")
    built(tmp_path, [chat.done() for chat in (secret, withdrawn, excluded, kept)], formats=ALL, shares=Shares(0, 0))
    found = content(tmp_path)
    assert all(b"secret" not in data for data in found.values())
    assert b"kept" in found["trl_pairs-train.jsonl"]


def test_drops_are_counted_by_kind_and_reason(tmp_path: Path) -> None:
    secret = judged("C1", "q")
    secret.allow_training = False
    dropped = built(tmp_path, [secret.done(), judged("C2", "x").done()], formats=("trl_pairs", "trl_sft"))["dropped"]
    assert dropped == {"pair": {"no_consent": 2}, "demonstration": {"no_consent": 2}}


def test_an_empty_log_gives_a_dataset_without_rows(tmp_path: Path) -> None:
    manifest = built(tmp_path, [], formats=ALL)
    assert [file["name"] for file in manifest["files"]] == ["README.md"]
    assert manifest["splits"]["groups"] == 0


def test_personal_data_is_replaced_everywhere_and_counted(tmp_path: Path) -> None:
    chat = judged("C1", "I am a@b.com, call 13812345678", "Hello a@b.com", "no")
    chat.ratings[1] = replace(chat.ratings[1], comment="It was for c@d.org")
    manifest = built(tmp_path, [chat.done()], formats=ALL, scrub=True)
    assert manifest["personal_data"] == {"email": 3, "phone": 1}
    for name, data in content(tmp_path).items():
        assert not any(secret in data for secret in (b"a@b.com", b"c@d.org", b"13812345678")), name
    assert "[EMAIL]" in json.loads(rows(tmp_path)[0]["meta"])["comment"]
    plain = built(tmp_path / "plain", [chat.done()])
    assert plain["personal_data"] == {}
    assert "a@b.com" in rows(tmp_path / "plain")[0]["prompt"][0]["content"]


def test_the_check_stops_a_build(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def check() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        build(many(3), 3, DatasetSpec("test"), tmp_path, lambda *_: None, check)


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    build(many(3), 3, DatasetSpec("test"), tmp_path, lambda *each: told.append(each), lambda: None)
    assert [each for each in told if each[0] == "reading"] == [("reading", n, 3) for n in (1, 2, 3)]
    assert told[-1] == ("writing", 4, 4)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": "../up"}, "can't be the name"),
        ({"name": ".hidden"}, "can't be the name"),
        ({"name": "a" * 65}, "can't be the name"),
        ({"formats": ()}, "at least one format"),
        ({"formats": ("parquet",)}, "no format 'parquet'"),
        ({"shares": Shares(0.5, 0.5)}, "less than 1 together"),
        ({"filters": Filters(sources=("elsewhere",))}, "no source 'elsewhere'"),
        ({"filters": Filters(reasons=("boring",))}, "no reason 'boring'"),
        ({"filters": Filters(languages=("tlh",))}, "no language 'tlh'"),
        ({"filters": Filters(min_score=11)}, "from 1 to 10"),
        ({"filters": Filters(kinds=("label",)), "formats": ("trl_pairs",)}, "which the filters leave out"),  # type: ignore[arg-type]
    ],
)
def test_wrong_specs_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        DatasetSpec(**{"name": "test", **wrong}).check()


def test_a_spec_survives_json() -> None:
    chat = judged("C1", "q").done()
    filters = Filters(raters=("u",), since=chat.ratings[0].created_at, min_score=3, sources=(RankingSource.RANKING,))
    spec = DatasetSpec("test", ("trl_pairs",), filters, HALVES, scrub=True)
    assert DatasetSpec.from_dict(json.loads(json.dumps(spec.as_dict()))) == spec
