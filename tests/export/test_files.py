from __future__ import annotations

import hashlib
import io
import json
import stat
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app import __version__
from app.domain.feedback import ConversationFeedback
from app.domain.training_rows import Drops
from app.errors import StoreError
from app.export.base import Row, get_format
from app.export.files import Filters, manifest_path, write_file, write_rows

from .rated import START, rated_conversation


class Failing:
    """A format whose second row cannot be made."""

    name = "failing"
    description = ""

    def rows(self, conversations: Iterable[ConversationFeedback], drops: Drops) -> Iterator[Row]:
        yield {"first": True}
        raise RuntimeError("no second row")


class Unplugged(Failing):
    """The disk goes away."""

    def rows(self, conversations: Iterable[ConversationFeedback], drops: Drops) -> Iterator[Row]:
        yield {"first": True}
        raise OSError(28, "No space left on device")


def test_a_file_and_its_manifest(tmp_path: Path) -> None:
    path = tmp_path / "thumbs.jsonl"
    filters = Filters(conversation_ids=("C1", "C2"), since=START, split="train", test_share=0.01)
    chats = [rated_conversation("C1"), rated_conversation("C2"), rated_conversation("C3")]
    manifest = write_file(path, get_format("trl_unpaired"), chats, filters)
    assert {stat.S_IMODE(p.stat().st_mode) for p in (path, manifest_path(path))} == {0o600}
    data = path.read_bytes()
    rows = [json.loads(line) for line in data.decode("utf-8").splitlines()]
    assert "八十度。🍵" in data.decode("utf-8")
    assert [r["message_id"] for r in rows] == ["C1M1", "C1M2"]
    assert json.loads(manifest_path(path).read_text("utf-8")) == manifest
    assert manifest.pop("created_at")
    assert manifest == {
        "format": "trl_unpaired",
        "parley_version": __version__,
        "filters": {
            "conversation_ids": ["C1", "C2"],
            "since": "2026-01-01T00:00:00.000+00:00",
            "split": "train",
            "test_share": 0.01,
        },
        "conversations": 2,
        "rated_messages": 6,
        "rows": 2,
        "dropped": {"duplicate": 2, "unfinished": 2},
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
        "file": "thumbs.jsonl",
    }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["thumbs.jsonl", "thumbs.jsonl.manifest.json"]


def test_the_same_data_gives_the_same_bytes() -> None:
    def run() -> bytes:
        file = io.BytesIO()
        write_rows(file, get_format("trl_pairs"), [rated_conversation()], Filters())
        return file.getvalue()

    assert run() == run()


def test_splits_are_two_parts_of_the_whole() -> None:
    chats = [rated_conversation(f"C{i}") for i in range(200)]
    parts = {
        side: {c.conversation.id for c in Filters(split=side, test_share=0.3).apply(chats)}
        for side in ("train", "test")
    }
    assert not parts["train"] & parts["test"]
    assert parts["train"] | parts["test"] == {c.conversation.id for c in chats}
    assert 30 < len(parts["test"]) < 90


def test_since_leaves_out_what_was_rated_before() -> None:
    chats = [rated_conversation()]
    assert list(Filters(since=START + timedelta(hours=3)).apply(chats)) == chats
    assert list(Filters(since=START + timedelta(hours=3, seconds=1)).apply(chats)) == []


@pytest.mark.parametrize(("made", "error"), [(Failing(), RuntimeError), (Unplugged(), StoreError)])
def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, made: Failing, error: type[Exception]) -> None:
    path = tmp_path / "thumbs.jsonl"
    path.write_text("old\n")
    with pytest.raises(error):
        write_file(path, made, [], Filters())
    assert path.read_text() == "old\n"
    assert [p.name for p in tmp_path.iterdir()] == ["thumbs.jsonl"]
