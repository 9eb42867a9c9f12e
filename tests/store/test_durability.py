from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.errors import DatabaseGone
from app.store import Store, reading
from app.store.check import check

from .opened import Opened

# Writes without end and says on its standard output what was acknowledged.
WRITER = """
import sys, pathlib
from app.domain.messages import MessageState, Role
from app.store import Store
store = Store.open(sys.argv[1], pathlib.Path(sys.argv[2]))
made = store.submit(lambda r: r.conversations.create("local", title="endless")).result()
print("conversation", made.id, flush=True)
while True:
    works = [
        store.submit(lambda r: r.messages.add(made.id, None, Role.USER, "text " * 50, MessageState.COMPLETE))
        for _ in range(5)
    ]
    for work in works:
        print("message", work.result().id, flush=True)
"""


def test_nothing_is_acknowledged_without_the_write_ahead_log(on_sqlite: Opened) -> None:
    on_sqlite.conversation(title="kept")
    (on_sqlite.data_dir / "parley.db-wal").unlink()
    with pytest.raises(DatabaseGone):
        on_sqlite.conversation(title="lost by a crash")
    on_sqlite.store.close_now()
    with reading(on_sqlite.url) as r:
        assert [c.title for c in r.conversations.list("local", limit=9)] == ["kept"]


@pytest.mark.parametrize("fate", ["deleted", "moved", "replaced"])
def test_nothing_is_acknowledged_that_is_not_in_the_file(on_sqlite: Opened, tmp_path: Path, fate: str) -> None:
    kept = on_sqlite.conversation(title="kept")
    path, aside = on_sqlite.data_dir / "parley.db", tmp_path / "aside.db"
    if fate == "deleted":
        path.unlink()
    else:
        path.rename(aside)
    if fate == "replaced":
        path.write_bytes(aside.read_bytes())
    with pytest.raises(DatabaseGone, match="deleted, moved or replaced"):
        on_sqlite.conversation(title="lost")
    assert [c.title for c in asyncio.run(on_sqlite.store.read(lambda r: r.conversations.list("local", limit=9)))] == [
        kept.title
    ]
    if fate != "deleted":
        aside.replace(path)  # back again
        assert on_sqlite.conversation(title="saved").title == "saved"


# `make soak` asks for more.
KILLS = int(os.environ.get("PARLEY_TEST_KILLS", "5"))


def test_what_was_acknowledged_survives_kill_9(sqlite_url: str, tmp_path: Path) -> None:
    chance = random.Random(10)
    acknowledged: dict[str, set[str]] = {}
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, sqlite_url, str(tmp_path / "data")],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None
        conversation = process.stdout.readline().split()[1]
        time.sleep(chance.uniform(0.05, 0.4))
        process.send_signal(signal.SIGKILL)
        whole_lines = process.stdout.read().rpartition("\n")[0]
        process.stdout.close()
        process.wait()
        acknowledged[conversation] = {line.split()[1] for line in whole_lines.splitlines()}
        store = Store.open(sqlite_url, tmp_path / "data")  # the dead one's lock does not hold
        store.close_now()
    assert sum(map(len, acknowledged.values())) > 20
    with reading(sqlite_url) as r:
        for conversation, ids in acknowledged.items():
            assert ids <= {m.id for m in r.messages.all(conversation)}
    assert check(sqlite_url).problems == []
