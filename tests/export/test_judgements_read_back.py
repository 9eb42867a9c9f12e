"""Files with judgements are imported into a store, and what is exported of it again is equal, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.feedback import ConversationFeedback
from app.export.base import encoded, find_formats, get_format
from app.store import Store
from tests.support.chat_files import load

from .rated import complete_rows_of, long_conversation, rated_conversation, rows_of

pytestmark = pytest.mark.anyio

JUDGED = ["trl_pairs", "trl_unpaired", "rankings", "anthropic_hh", "chatllama_reward", "colossalai_kto"]
JUDGED += ["colossalai_preference", "llama_factory_preference"]
SHOWN = ["trl_sft", "sharegpt", "belle", "colossalai_sft", "llama_factory_sft", "chatglm_ptuning", "chatllama_actor"]
CHATS = [rated_conversation(), long_conversation(), long_conversation("C3", system_prompt="Be exact.")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'parley.db'}", tmp_path)
    yield opened
    opened.close_now()


def file_of(name: str, *chats: ConversationFeedback) -> bytes:
    """What a format writes."""
    made = get_format(name)
    rows = [encoded(row, made.layout) for row in rows_of(made, *chats) if row is not None]
    return made.layout.start + made.layout.between.join(rows) + made.layout.end


async def imported(store: Store, data: bytes) -> list[ConversationFeedback]:
    """The judged conversations in a store after an import."""
    await load(store, data)
    return await store.read(lambda r: list(r.feedback.conversations()))


def plain(rows: list[Any]) -> list[str]:
    """Rows without their origin, which names new ids; in any order, as tied replies of a ranking are."""
    shown = []
    for row in rows:
        kept = {key: value for key, value in row.items() if key not in ("meta", "id")}
        if "ranks" in kept:
            order = sorted(zip(kept.pop("ranks"), map(str, kept.pop("completions")), strict=True))
            kept["order"] = order
        shown.append(json.dumps(kept, sort_keys=True))
    return sorted(shown)


@pytest.mark.parametrize("name", [*JUDGED, *SHOWN, "chatglm_tuning"])
async def test_what_is_imported_exports_the_same_rows(store: Store, name: str) -> None:
    before = [row for row in rows_of(get_format(name), *CHATS) if row is not None]
    assert before
    after = complete_rows_of(get_format(name), *await imported(store, file_of(name, *CHATS)))
    if name == "chatglm_tuning":  # the system prompt has become a part of the question
        assert [row["target"] for row in after] == [row["target"] for row in before]
    else:
        assert plain(after) == plain(before)


@pytest.mark.parametrize("name", [*JUDGED, *SHOWN, "open_assistant"])
async def test_models_and_dates_are_kept(store: Store, name: str) -> None:
    chat = rated_conversation() if name != "rankings" else long_conversation()
    reply = "八十度。🍵\n别用沸水。" if name != "rankings" else "80 °C."
    found = await imported(store, file_of(name, chat))
    names = {m.content: m.imported_model for chat in found for m in chat.messages if m.role == "assistant"}
    assert names[reply] == "smollm2-135m-instruct"
    if name != "open_assistant":  # its trees have no dates of judgements
        given = {judgement.created_at for one in found for judgement in (*one.ratings, *one.rankings)}
        assert given <= {judgement.created_at for judgement in (*chat.ratings, *chat.rankings)}


async def test_trees_keep_ranks_and_labels(store: Store) -> None:
    chats = [rated_conversation(), long_conversation()]
    before = complete_rows_of(get_format("open_assistant"), *chats)
    after = complete_rows_of(get_format("open_assistant"), *await imported(store, file_of("open_assistant", *chats)))
    assert {tuple(facts) for row in after for facts in _facts(row["prompt"])} == {
        tuple(facts) for row in before for facts in _facts(row["prompt"])
    }


def _facts(node: dict[str, Any]) -> Iterator[list[object]]:
    yield [node["text"], node["role"], node.get("rank"), node["labels"].get("quality", {}).get("value")]
    for reply in node["replies"]:
        yield from _facts(reply)


async def test_prompts_are_read_back(store: Store) -> None:
    for name in ("trl_prompts", "chatllama_rlhf"):
        report = await load(store, file_of(name, *CHATS))
        assert (report.rows + report.known, report.ratings) == (len(rows_of(get_format(name), *CHATS)), 0)


def test_every_format_that_is_data_is_tested() -> None:
    others = {"chatglm_tuning", "open_assistant", "trl_prompts", "chatllama_rlhf", "markdown"}
    assert find_formats().keys() == {*JUDGED, *SHOWN, *others}
