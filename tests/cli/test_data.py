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
from app.export.base import find_formats
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


def data(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [*args])
    return result.exit_code, result.stdout, result.stderr


def run(*args: str) -> tuple[int, str, str]:
    return data("export", *args)


def test_export_writes_rows_and_manifest_beside_a_running_server(conversation_id: str, tmp_path: Path) -> None:
    out = tmp_path / "pairs.jsonl"
    code, stdout, err = run("--format", "trl_pairs", "--out", str(out))
    assert (code, stdout) == (0, "")
    assert "1 rows from 1 conversations." in err
    (row,) = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == ("三点。", "I am a model.")
    assert json.loads(row["meta"])["conversation_id"] == conversation_id
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


def test_formats_are_listed() -> None:
    code, out, _ = run("--list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(find_formats())


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "--format is missing"),
        (("--format", "parquet", "--out", "x"), "trl_pairs, trl_prompts"),
        (("--format", "trl_pairs"), "--out is missing"),
        (("--format", "trl_pairs", "--out", "/nowhere/x.jsonl"), "in an existing folder"),
        (("--format", "trl_pairs", "--out", "-", "--since", "yesterday"), "2026-11-24"),
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
def test_an_export_to_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "thumbs.jsonl"
    out.write_text("old\n")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.feedback.datasets.export_file.encoded", fail)
    code, _, err = run("--format", "trl_unpaired", "--out", str(out))
    assert (code, "unchanged" in err) == (1, True)
    assert out.read_text() == "old\n"
    assert [path.name for path in tmp_path.glob("thumbs*")] == ["thumbs.jsonl"]


def test_an_empty_export_is_an_empty_file_or_list(store: Store) -> None:
    assert run("--format", "trl_pairs", "--out", "-")[1] == ""
    assert json.loads(run("--format", "chatllama_actor", "--out", "-")[1]) == []


# -- datasets ------------------------------------------------------------------------------------------


def test_a_dataset_is_built_listed_shown_and_deleted(store: Store, conversation_id: str, tmp_path: Path) -> None:
    assert "no datasets" in data("list")[1]
    code, out, err = data(
        "build", "clock", "--format", "trl_pairs", "--format", "sharegpt", "--language", "zh", "--scrub"
    )
    assert code == 0, err
    assert "clock: 2 judgements in 1 conversations" in out
    folder = tmp_path / "data" / "datasets" / "clock"
    assert out.splitlines()[-1] == str(folder)
    assert {path.name.partition("-")[0] for path in folder.iterdir()} == {
        "README.md",
        "manifest.json",
        "sharegpt",
        "trl_pairs",
    }
    listed = data("list")[1].splitlines()
    assert [line.split()[0] for line in listed] == ["name", "clock"]
    assert "up to date" in listed[1]
    store.submit(lambda r: r.conversations.update("local", conversation_id, allow_training=False)).result()
    assert "stale" in data("list")[1]
    assert "stale, no_consent: 2" in data("show", "clock")[1]
    assert data("delete", "clock")[:2] == (0, "Deleted: clock\n")
    assert not folder.exists()


@pytest.mark.usefixtures("conversation_id")
def test_filters_of_a_dataset() -> None:
    for number, (args, rows) in enumerate(
        (
            (("--kind", "pair", "--format", "trl_pairs"), "1 pairs, 1 prompts"),
            (
                (
                    "--source",
                    "correction",
                ),
                "0 prompts",
            ),
            (("--rater", "nobody"), "0 prompts"),
            (("--since", "2999-01-01"), "0 prompts"),
            (("--accepted",), "0 prompts"),
            (("--min-score", "5", "--format", "trl_unpaired"), "1 labels, 1 prompts"),
        )
    ):
        code, out, err = data("build", f"d{number}", *args)
        assert code == 0, err
        assert rows in out, args


@pytest.mark.usefixtures("conversation_id")
@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("build",), "NAME"),
        (("build", "../up"), "can't be the name"),
        (("build", "x", "--format", "parquet"), "trl_pairs, trl_prompts"),
        (("build", "x", "--since", "yesterday"), "--since yesterday is not a date"),
        (("build", "x", "--kind", "thumb"), "label"),
        (("build", "x", "--test-share", "2"), "between 0 and 1"),
        (("build", "x", "--language", "tlh"), "zh"),
        (("show", "nothing"), "no dataset 'nothing'"),
        (("delete", "nothing"), "no dataset 'nothing'"),
    ],
)
def test_wrong_dataset_options_exit_with_2(args: tuple[str, ...], says: str, tmp_path: Path) -> None:
    code, _, err = data(*args)
    assert (code, says in err) == (2, True), err
    assert not (tmp_path / "data" / "datasets").exists()


@pytest.mark.usefixtures("conversation_id")
def test_a_taken_name_exits_with_2() -> None:
    assert data("build", "x")[0] == 0
    code, _, err = data("build", "x")
    assert (code, "already a dataset 'x'" in err) == (2, True)


@pytest.mark.usefixtures("conversation_id")
def test_all_chats_are_written_to_an_archive_that_can_be_imported(tmp_path: Path) -> None:
    out = tmp_path / "chats.zip"
    result = CliRunner().invoke(app, ["export-chats", "--out", str(out)])
    assert (result.exit_code, result.stdout.startswith("1 chats: ")) == (0, True), result.output
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    chats, unread = found_in(out.read_bytes())
    assert [m.content for m in chats[0].messages] == ["几点了？", "三点。", "I am a model."]
    assert [[given["verdict"] for given in m.ratings] for m in chats[0].messages] == [[], ["up"], ["down"]]
    assert unread == []


@pytest.mark.usefixtures("conversation_id")
def test_an_archive_needs_a_place(tmp_path: Path) -> None:
    for wrong in ([], ["--out", str(tmp_path)], ["--out", str(tmp_path / "none" / "x.zip")]):
        assert CliRunner().invoke(app, ["export-chats", *wrong]).exit_code == 2
