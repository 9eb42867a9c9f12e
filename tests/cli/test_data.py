from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.data import app
from app.domain.feedback import Verdict
from app.domain.messages import MessageState, Role
from app.store import Repositories, Store
from tests.support.chat_files import found_in


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    data_dir = tmp_path / "data"
    monkeypatch.setenv("PARLEY_DATA_DIR", str(data_dir))
    monkeypatch.delenv("PARLEY_DATABASE_URL", raising=False)
    opened = Store.open(f"sqlite:///{data_dir / 'parley.db'}", data_dir)
    yield opened
    opened.close_now()


@pytest.fixture
def conversation_id(store: Store) -> str:
    """A question with two replies, one liked and one not."""

    def work(r: Repositories) -> str:
        made = r.conversations.create("local")
        question = r.messages.add(made.id, None, Role.USER, "几点了？", MessageState.COMPLETE)
        for text, verdict in (("三点。", Verdict.UP), ("I am a model.", Verdict.DOWN)):
            reply = r.messages.add(made.id, question.id, Role.ASSISTANT, text, MessageState.COMPLETE)
            r.ratings.add("local", reply.id, verdict)
        return made.id

    return store.submit(work).result()


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["export", *args])
    return result.exit_code, result.stdout, result.stderr


def test_export_writes_rows_and_manifest_beside_a_running_server(conversation_id: str, tmp_path: Path) -> None:
    out = tmp_path / "pairs.jsonl"
    code, stdout, err = run("--format", "trl_pairs", "--out", str(out))
    assert (code, stdout) == (0, "")
    assert "1 rows from 2 rated replies in 1 conversations." in err
    (row,) = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == ("三点。", "I am a model.")
    assert row["conversation_id"] == conversation_id
    assert json.loads((tmp_path / "pairs.jsonl.manifest.json").read_text("utf-8"))["rows"] == 1


@pytest.mark.usefixtures("conversation_id")
def test_standard_output_holds_rows_only() -> None:
    code, out, err = run("--format", "trl_unpaired", "--out", "-")
    assert code == 0
    assert [json.loads(line)["label"] for line in out.splitlines()] == [True, False]
    assert "2 rows" in err


def test_filters_narrow(conversation_id: str) -> None:
    base = ("--format", "trl_unpaired", "--out", "-")
    assert run(*base, "--conversation", conversation_id)[1].count("\n") == 2
    assert run(*base, "--conversation", "other")[1] == ""
    assert run(*base, "--since", "2999-01-01")[1] == ""
    assert run(*base, "--since", "2020-01-01T00:00:00+08:00")[1].count("\n") == 2
    sides = [run(*base, "--split", side, "--test-share", "0.5")[1].count("\n") for side in ("train", "test")]
    assert sorted(sides) == [0, 2]


def test_formats_are_listed() -> None:
    code, out, _ = run("--list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["trl_pairs", "trl_unpaired"]


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "--format is missing"),
        (("--format", "parquet", "--out", "x"), "trl_pairs, trl_unpaired"),
        (("--format", "trl_pairs"), "--out is missing"),
        (("--format", "trl_pairs", "--out", "/nowhere/x.jsonl"), "in an existing folder"),
        (("--format", "trl_pairs", "--out", "-", "--since", "yesterday"), "2026-11-24"),
        (("--format", "trl_pairs", "--out", "-", "--split", "both"), "train or test"),
        (("--format", "trl_pairs", "--out", "-", "--test-share", "nan"), "between 0 and 1"),
    ],
)
def test_wrong_options_exit_with_2(args: tuple[str, ...], says: str) -> None:
    code, _, err = run(*args)
    assert code == 2
    assert says in err


def test_without_a_database_the_exit_code_is_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "empty"))
    code, _, err = run("--format", "trl_pairs", "--out", "-")
    assert code == 2
    assert "no database" in err
    assert not (tmp_path / "empty").exists()


@pytest.mark.usefixtures("conversation_id")
def test_all_chats_are_written_to_an_archive_that_can_be_imported(tmp_path: Path) -> None:
    out = tmp_path / "chats.zip"
    result = CliRunner().invoke(app, ["export-chats", "--out", str(out)])
    assert (result.exit_code, result.stdout.startswith("1 chats: ")) == (0, True), result.output
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    chats, unread = found_in(out.read_bytes())
    assert [m.content for m in chats[0].messages] == ["几点了？", "三点。", "I am a model."]
    assert [m.rating and m.rating["verdict"] for m in chats[0].messages] == [None, "up", "down"]
    assert unread == []


@pytest.mark.usefixtures("conversation_id")
def test_an_archive_needs_a_place(tmp_path: Path) -> None:
    for wrong in ([], ["--out", str(tmp_path)], ["--out", str(tmp_path / "none" / "x.zip")]):
        assert CliRunner().invoke(app, ["export-chats", *wrong]).exit_code == 2
