"""What an imported chat says about itself is kept: dates, models, the system prompt; and nothing is made up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.chat.transfer.reading.values import MAX_MODEL_CHARS, date_of, model_of
from app.chat.transfer.transfers import Transfers
from app.domain.messages import Conversation, Message
from app.store import Store
from tests.support.chat_files import MAX_BYTES, load

pytestmark = pytest.mark.anyio

ASKED, ANSWERED = datetime(2024, 3, 1, 12, 0, 0, tzinfo=UTC), datetime(2024, 3, 1, 12, 0, 7, tzinfo=UTC)
BEGUN_MS = 1_709_294_390_000  # ten seconds before


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'parley.db'}", tmp_path)
    yield opened
    opened.close_now()


async def imported(store: Store, data: object) -> tuple[Conversation, list[Message]]:
    made = (await load(store, data)).newest
    return made, await store.read(lambda r: r.messages.all(made.id))


def about(messages: list[Message]) -> list[tuple[datetime, str | None]]:
    """Time (without the microseconds that keep the order) and the file's model."""
    return [(m.created_at.replace(microsecond=0), m.imported_model) for m in messages]


async def test_open_webui(store: Store) -> None:
    history = {
        "1": {"id": "1", "parentId": None, "role": "user", "content": "q", "timestamp": int(ASKED.timestamp())},
        "2": {
            **{"id": "2", "parentId": "1", "role": "assistant", "content": "a", "timestamp": int(ANSWERED.timestamp())},
            **{"model": "llama3:8b", "modelName": "Llama 3"},
        },
    }
    chat = {"params": {"system": "Be brief."}, "timestamp": BEGUN_MS, "models": ["other"]}
    file = [{"title": "T", "chat": {**chat, "history": {"currentId": "2", "messages": history}}}]
    made, messages = await imported(store, file)
    assert about(messages) == [(ASKED, None), (ANSWERED, "llama3:8b")]
    assert (made.title, made.system_prompt, made.created_at.timestamp()) == ("T", "Be brief.", BEGUN_MS / 1000)
    assert made.updated_at == messages[-1].created_at
    assert all(m.provenance is None for m in messages), "a file could claim anything"


async def test_lists_of_messages(store: Store) -> None:
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "model": "gpt-4"}]
    more = [*turns, {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    made, messages = await imported(
        store, {"messages": more, "model": "gpt-3.5", "system": "Be kind.", "created_at": ASKED.isoformat()}
    )
    assert about(messages) == [(ASKED, None), (ASKED, "gpt-4"), (ASKED, None), (ASKED, "gpt-3.5")]
    assert (made.system_prompt, made.created_at) == ("Be kind.", ASKED)
    assert [m.parent_id for m in messages[1:]] == [m.id for m in messages[:-1]], "in order without dates of their own"


async def test_a_file_without_dates_is_of_now(store: Store) -> None:
    before = datetime.now(UTC)
    made, messages = await imported(store, {"conversations": [{"from": "human", "value": "q"}]})
    assert before <= made.created_at <= messages[0].created_at <= datetime.now(UTC)


async def test_parleys_own_json_comes_back_with_dates_and_models(store: Store) -> None:
    file: dict[str, Any] = {"format": "parley.conversation", "version": 1}
    file["conversation"] = {"created_at": ASKED.isoformat(), "system_prompt": "S", "leaf_id": "b"}
    provenance = {"model_id": "glm@int4", "adapter": "poet"}
    reply = {"parent_id": "q", "role": "assistant", "content": "a", "created_at": ANSWERED.isoformat()}
    file["messages"] = [
        {"id": "q", "role": "user", "content": "q", "created_at": ASKED.isoformat()},
        {**reply, "id": "a", "provenance": provenance},
        {**reply, "id": "b"},
    ]
    made, messages = await imported(store, file)
    expected = [(ASKED, None), (ANSWERED, "glm@int4+poet"), (ANSWERED, "")]
    assert (made.created_at, made.system_prompt, about(messages)) == (ASKED, "S", expected)
    _, pieces = await Transfers(store, MAX_BYTES).as_json("local", made.id)
    again, messages = await imported(store, b"".join(pieces))
    assert (again.created_at, again.system_prompt, about(messages)) == (ASKED, "S", expected)
    assert "## Assistant" in await Transfers(store, MAX_BYTES).as_markdown("local", made.id)


async def test_a_reply_is_never_older_than_its_question(store: Store) -> None:
    turns = [{"role": "user", "content": "q", "timestamp": ANSWERED.timestamp()}]
    _, messages = await imported(
        store, {"messages": [*turns, {"role": "assistant", "content": "a", "timestamp": ASKED.timestamp()}]}
    )
    assert [m.content for m in messages] == ["q", "a"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_709_294_400, ASKED),
        (1_709_294_400_000.0, ASKED),
        ("2024-03-01T12:00:00Z", ASKED),
        ("2024-03-01 14:00:00+02:00", ASKED),
        ("2024-03-01T12:00:00", ASKED),
        *((value, None) for value in ("yesterday", "", None, True, [], 5, -1, 10**30, float("nan"), float("inf"))),
        ("9999-01-01", None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_dates_are_read_as_programs_write_them(value: object, expected: datetime | None) -> None:
    assert date_of({"timestamp": value}) == expected


def test_the_name_of_a_model_is_a_line_that_can_be_stored_and_shown() -> None:
    assert model_of({"model": None, "modelName": " Llama\n3\0\ud800 "}) == "Llama 3"
    assert model_of({"models": ["a", "b"]}) == model_of({"model": {"id": 1}}) == ""
    assert len(model_of({"model": "x" * 10_000})) == MAX_MODEL_CHARS
