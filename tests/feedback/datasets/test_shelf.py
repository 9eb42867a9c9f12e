"""Datasets in the store and on the disk."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from app.domain.datasets import Dataset, Stale
from app.domain.feedback import Decision, RankedReply, RankingSource, Verdict
from app.domain.messages import Message, MessageState, Role
from app.domain.splits import Shares
from app.errors import DatasetBusy, DatasetExists, DatasetNotFound, StoreError, StoreFull
from app.feedback.datasets.service import shown
from app.feedback.datasets.shelf import Shelf
from app.feedback.datasets.spec import DatasetSpec
from app.store import Repositories, Store, reading
from app.store.check import check

T = TypeVar("T")
USER = "local"


class Kept:
    """A store with a shelf, and what a person does."""

    def __init__(self, store: Store, data_dir: Path) -> None:
        self.store, self.data_dir = store, data_dir
        self.url = f"sqlite:///{data_dir / 'parley.db'}"
        self.shelf = Shelf(data_dir, self.url)
        self.folder = data_dir / "datasets"

    def write(self, work: Callable[[Repositories], T]) -> T:
        return self.store.submit(work).result(timeout=60)

    def judged(self, question: str) -> tuple[Message, Message]:
        """A question with a liked and a disliked reply."""

        def work(r: Repositories) -> tuple[Message, Message]:
            made = r.conversations.create(USER)
            asked = r.messages.add(made.id, None, Role.USER, question, MessageState.COMPLETE)
            good, bad = (
                r.messages.add(made.id, asked.id, Role.ASSISTANT, f"{word} {question}", MessageState.COMPLETE)
                for word in ("good", "bad")
            )
            r.ratings.add(USER, good.id, Verdict.UP)
            r.ratings.add(USER, bad.id, Verdict.DOWN)
            return good, bad

        return self.write(work)

    def rank(self, good: Message, bad: Message, **more: Any) -> str:
        items = [RankedReply(good.id, 1), RankedReply(bad.id, 2)]
        return self.write(lambda r: r.rankings.add(USER, RankingSource.REGENERATE, items, **more)).id

    def build(self, name: str = "tea", **more: Any) -> Dataset:
        spec = DatasetSpec(name, ("trl_pairs", "trl_unpaired"), **more)
        return self.shelf.build(USER, spec, lambda *_: None, lambda: None)

    def stale(self, name: str = "tea") -> dict[Stale, int]:
        with reading(self.url) as r:
            return dict(shown(r, self.shelf, r.datasets.get(USER, name)).stale)

    def names(self) -> list[str]:
        with reading(self.url) as r:
            return [dataset.name for dataset in r.datasets.all(USER)]

    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    data_dir = tmp_path / "data"
    store = Store.open(f"sqlite:///{data_dir / 'parley.db'}", data_dir)
    yield Kept(store, data_dir)
    store.close_now()


def test_a_dataset_is_a_row_and_a_folder(kept: Kept) -> None:
    kept.judged("How hot?")
    kept.judged("How long?")
    made = kept.build(shares=Shares(0, 0))
    assert kept.names() == ["tea"]
    assert kept.stale() == {}
    names = {path.name for path in (kept.folder / "tea").iterdir()}
    assert names == {"README.md", "manifest.json", "trl_pairs-train.jsonl", "trl_unpaired-train.jsonl"}
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (kept.folder, kept.folder / "tea")}
    assert modes == {0o700}
    assert made.manifest["judgements"] == 4
    assert check(kept.url).problems == []


def test_a_dataset_says_which_judgements_it_contains(kept: Kept) -> None:
    good, _ = kept.judged("How hot?")
    kept.build("one")
    kept.build("two")
    other, _ = kept.judged("How long?")

    def work(r: Repositories) -> list[list[str]]:
        ratings = [r.ratings.of(message.conversation_id)[0] for message in (good, other)]
        found = r.datasets.containing([rating.id for rating in ratings])
        return [found.get(rating.id, []) for rating in ratings]

    assert kept.write(work) == [["one", "two"], []]


def test_a_name_is_taken_once(kept: Kept) -> None:
    kept.judged("How hot?")
    kept.build()
    before = (kept.folder / "tea" / "manifest.json").read_bytes()
    with pytest.raises(DatasetExists):
        kept.build()
    assert (kept.folder / "tea" / "manifest.json").read_bytes() == before
    kept.shelf.delete(USER, "tea")
    assert (kept.names(), kept.left()) == ([], [])
    kept.build()
    assert kept.names() == ["tea"]


def test_of_another_user_it_is_not_found(kept: Kept) -> None:
    kept.judged("How hot?")
    kept.build()
    with pytest.raises(DatasetNotFound):
        kept.shelf.delete("other", "tea")
    assert kept.left() == ["tea"]


class Stopped(Exception):
    pass


def test_a_build_that_is_stopped_leaves_nothing(kept: Kept) -> None:
    kept.judged("How hot?")
    kept.judged("How long?")
    calls = 0

    def check_() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Stopped

    with pytest.raises(Stopped):
        kept.shelf.build(USER, DatasetSpec("tea"), lambda *_: None, check_)
    assert (kept.names(), kept.left()) == ([], [])


@pytest.mark.parametrize(("number", "error"), [(28, StoreFull), (5, StoreError)])
def test_a_build_whose_disk_fails_leaves_nothing(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, number: int, error: type[StoreError]
) -> None:
    kept.judged("How hot?")

    def fail(*_: object) -> None:
        raise OSError(number, "the disk says no")

    monkeypatch.setattr("app.feedback.datasets.spool.sync_file", fail)
    with pytest.raises(error, match="othing was built"):
        kept.build()
    assert (kept.names(), kept.left()) == ([], [])


def test_a_build_that_cannot_be_stored_leaves_nothing(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.judged("How hot?")

    def fail(*_: object) -> None:
        raise OSError(5, "the disk says no")

    monkeypatch.setattr("app.feedback.datasets.shelf.sync", fail)  # after the folder has its name
    with pytest.raises(StoreError):
        kept.build()
    assert (kept.names(), kept.left()) == ([], [])


class Killed(BaseException):
    """Stands for an end of the process: nothing is cleaned up."""


@pytest.fixture
def nothing_is_removed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Until it is undone, as if the process had ended."""
    monkeypatch.setattr("app.feedback.datasets.shelf.shutil.rmtree", lambda *_, **__: None)
    return monkeypatch


def test_what_a_crash_of_a_build_leaves_is_removed(kept: Kept, nothing_is_removed: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise Killed

    kept.judged("How hot?")
    with pytest.raises(Killed):
        kept.shelf.build(USER, DatasetSpec("one"), lambda *_: None, killed)
    nothing_is_removed.setattr("app.feedback.datasets.shelf.sync", killed)  # before its row is committed
    with pytest.raises(Killed):
        kept.build("two")
    assert (kept.names(), kept.left()) == ([], [".one.part", "two"])
    nothing_is_removed.undo()
    kept.build("two")
    assert (kept.names(), kept.left()) == (["two"], ["two"])


def test_what_a_crash_of_a_deletion_leaves_is_removed(kept: Kept, nothing_is_removed: pytest.MonkeyPatch) -> None:
    kept.judged("How hot?")
    kept.build("one")
    kept.shelf.delete(USER, "one")
    assert (kept.names(), kept.left()) == ([], ["one"])
    nothing_is_removed.undo()
    kept.build("two")
    assert kept.left() == ["two"]


def test_a_dataset_that_could_not_be_deleted_stays(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StoreError("no")

    kept.judged("How hot?")
    kept.build("one")
    monkeypatch.setattr("app.store.repositories.datasets.Datasets.delete", fail)
    with pytest.raises(StoreError):
        kept.shelf.delete(USER, "one")
    kept.build("two")
    assert kept.left() == ["one", "two"]
    assert kept.stale("one") == {}
    assert {path.name for path in (kept.folder / "one").iterdir()} == {p.name for p in (kept.folder / "two").iterdir()}


def test_folders_that_the_database_does_not_know_stay(kept: Kept) -> None:
    """A copy by hand, the dataset of another database, any other folder."""
    kept.judged("How hot?")
    kept.build("one")
    shutil.copytree(kept.folder / "one", kept.folder / "copy")
    (kept.folder / "mine").mkdir()
    kept.build("two")
    kept.shelf.delete(USER, "one")
    assert kept.left() == ["copy", "mine", "two"]
    for name in ("copy", "mine"):
        with pytest.raises(DatasetExists, match="no dataset of this database"):
            kept.build(name)


def test_one_at_a_time(kept: Kept) -> None:
    kept.judged("How hot?")

    def meanwhile() -> None:
        with pytest.raises(DatasetBusy):
            kept.build("two")

    kept.shelf.build(USER, DatasetSpec("one"), lambda *_: None, meanwhile)
    assert kept.names() == ["one"]


# -- stale ---------------------------------------------------------------------------------------------


def test_a_deleted_conversation(kept: Kept) -> None:
    good, _ = kept.judged("How hot?")
    kept.judged("How long?")
    kept.build()
    kept.write(lambda r: r.conversations.delete(USER, good.conversation_id))
    assert kept.stale() == {Stale.DELETED: 2}
    kept.write(lambda r: r.conversations.restore(USER, good.conversation_id))
    assert kept.stale() == {}


def test_a_purged_conversation(kept: Kept) -> None:
    good, _ = kept.judged("How hot?")
    kept.build()
    kept.write(lambda r: r.conversations.delete(USER, good.conversation_id))
    kept.write(lambda r: r.conversations.purge(0))
    assert kept.stale() == {Stale.DELETED: 2}


def test_a_thumb_that_was_withdrawn_after_the_newest_judgements_were_purged(kept: Kept) -> None:
    """Its number must not be one that the dataset has read."""
    good, _ = kept.judged("How hot?")
    newest, _ = kept.judged("How long?")
    kept.build()
    kept.write(lambda r: r.conversations.delete(USER, newest.conversation_id))
    kept.write(lambda r: r.conversations.purge(0))
    kept.write(lambda r: r.ratings.add(USER, good.id, Verdict.RETRACTED))
    assert kept.stale() == {Stale.DELETED: 2, Stale.WITHDRAWN: 1}


def test_lost_consent(kept: Kept) -> None:
    good, _ = kept.judged("How hot?")
    kept.build()
    kept.write(lambda r: r.conversations.update(USER, good.conversation_id, allow_training=False))
    assert kept.stale() == {Stale.NO_CONSENT: 2}


def test_an_excluded_judgement(kept: Kept) -> None:
    good, bad = kept.judged("How hot?")
    ranking_id = kept.rank(good, bad)
    kept.build()
    rating_id = kept.write(lambda r: r.ratings.of(good.conversation_id)[0]).id
    for judgement_id in (rating_id, ranking_id):
        kept.write(lambda r, id_=judgement_id: r.feedback.review(USER, id_, Decision.EXCLUDED))  # type: ignore[misc]
    assert kept.stale() == {Stale.EXCLUDED: 2}
    for judgement_id in (rating_id, ranking_id):
        kept.write(lambda r, id_=judgement_id: r.feedback.review(USER, id_, Decision.OPEN))  # type: ignore[misc]
    assert kept.stale() == {}


@pytest.mark.parametrize(
    ("verdict", "stale"),
    [(Verdict.RETRACTED, {Stale.WITHDRAWN: 1}), (Verdict.DOWN, {Stale.CHANGED: 1}), (Verdict.UP, {})],
)
def test_a_thumb_that_was_withdrawn_changed_or_given_again(
    kept: Kept, verdict: Verdict, stale: dict[Stale, int]
) -> None:
    good, _ = kept.judged("How hot?")
    kept.build()
    kept.write(lambda r: r.ratings.add(USER, good.id, verdict, comment="now with a comment"))
    assert kept.stale() == stale


def test_a_thumb_that_is_as_it_was_again(kept: Kept) -> None:
    good, _ = kept.judged("How hot?")
    kept.build()
    for verdict in (Verdict.RETRACTED, Verdict.DOWN, Verdict.UP):
        kept.write(lambda r, v=verdict: r.ratings.add(USER, good.id, v))  # type: ignore[misc]
    assert kept.stale() == {}


def test_a_ranking_that_was_changed_or_withdrawn(kept: Kept) -> None:
    good, bad = kept.judged("How hot?")
    ranking_id = kept.rank(good, bad)
    kept.build()
    kept.rank(good, bad)  # the same again
    assert kept.stale() == {}
    kept.rank(bad, good)
    assert kept.stale() == {Stale.CHANGED: 1}
    kept.write(lambda r: r.rankings.withdraw(USER, ranking_id))
    assert kept.stale() == {Stale.WITHDRAWN: 1}


def test_missing_files(kept: Kept) -> None:
    kept.judged("How hot?")
    kept.build()
    shutil.rmtree(kept.folder / "tea")
    assert kept.stale() == {Stale.FILES_MISSING: 1}
    kept.shelf.delete(USER, "tea")
    assert kept.names() == []
