from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.messages import (
    Message,
    MessageState,
    Role,
    Turn,
    by_id,
    path_to,
    turns,
)
from app.errors import MessageNotFound

START = datetime(2026, 1, 1, tzinfo=UTC)


def message(id_: str, parent_id: str | None, content: str = "text", minute: int = 0) -> Message:
    role = Role.USER if id_.startswith("q") else Role.ASSISTANT
    at = START + timedelta(minutes=minute)
    return Message(id_, "c", parent_id, role, content, MessageState.COMPLETE, at)


#   q1 ── a1 ── q2 ── a3
#     └── a2
TREE = by_id(
    [
        message("q1", None, minute=0),
        message("a1", "q1", minute=1),
        message("q2", "a1", minute=2),
        message("a3", "q2", minute=3),
        message("a2", "q1", minute=4),
    ]
)


def test_a_path_leads_from_the_root_to_the_leaf() -> None:
    assert [m.id for m in path_to(TREE, "a3")] == ["q1", "a1", "q2", "a3"]
    assert path_to(TREE, None) == []


def test_a_path_over_a_missing_message_is_refused() -> None:
    with pytest.raises(MessageNotFound):
        path_to(TREE, "nowhere")
    with pytest.raises(MessageNotFound):
        path_to(by_id([message("a1", "gone")]), "a1")


def test_a_circle_of_parents_ends() -> None:
    with pytest.raises(MessageNotFound):
        path_to(by_id([message("a1", "q1"), message("q1", "a1")]), "a1")


def test_a_model_reads_no_empty_replies() -> None:
    path = [message("q1", None, "Hi"), message("a1", "q1", ""), message("q2", "a1", "Hello?")]
    assert turns(path, "Be kind.") == [Turn(Role.SYSTEM, "Be kind."), Turn(Role.USER, "Hi"), Turn(Role.USER, "Hello?")]
    assert turns(path, "  ")[0] == Turn(Role.USER, "Hi")
