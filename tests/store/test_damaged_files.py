"""Files that are damaged anywhere: each is used, or refused with a sentence, and never changed before it is refused."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from app.domain.feedback import Verdict
from app.domain.messages import MessageState
from app.errors import ParleyError
from app.store import Repositories, Store
from app.store.check import check

from .opened import Opened

ROUNDS = int(os.environ.get("PARLEY_TEST_DAMAGES", "10"))  # of each kind of damage
QUICK = 2  # of them, not marked as slow
PAGE = 4096
Damage = Callable[[random.Random, bytearray], bytearray]


def cut(rng: random.Random, raw: bytearray) -> bytearray:
    return raw[: rng.randrange(len(raw))]


def cut_at_a_page(rng: random.Random, raw: bytearray) -> bytearray:
    return raw[: PAGE * rng.randrange(len(raw) // PAGE)]


def a_bit_of_the_header(rng: random.Random, raw: bytearray) -> bytearray:
    raw[rng.randrange(100)] ^= 1 << rng.randrange(8)
    return raw


def some_bits(rng: random.Random, raw: bytearray) -> bytearray:
    for _ in range(rng.randrange(1, 200)):
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    return raw


def a_page_of_zeros(rng: random.Random, raw: bytearray) -> bytearray:
    return with_page(raw, rng.randrange(len(raw) // PAGE), bytes(PAGE))


def a_page_of_noise(rng: random.Random, raw: bytearray) -> bytearray:
    return with_page(raw, rng.randrange(len(raw) // PAGE), rng.randbytes(PAGE))


def two_pages_swapped(rng: random.Random, raw: bytearray) -> bytearray:
    first, second = rng.sample(range(len(raw) // PAGE), 2)
    one, other = (bytes(raw[PAGE * at : PAGE * (at + 1)]) for at in (first, second))
    return with_page(with_page(raw, first, other), second, one)


def more_after_the_end(rng: random.Random, raw: bytearray) -> bytearray:
    return raw + rng.randbytes(rng.randrange(1, 3 * PAGE))


def another_schema(rng: random.Random, raw: bytearray) -> bytearray:
    words = (b"CREATE", b"TABLE", b"TEXT", b"conversation", b"PRIMARY", b"REFERENCES", b"search_index", b"fts5")
    word = rng.choice(words)
    return raw.replace(word, bytes(rng.sample(word, len(word))))


def letters_for_other_bytes(rng: random.Random, raw: bytearray) -> bytearray:
    return raw.replace(bytes([rng.randrange(97, 123)]), bytes([rng.randrange(128, 256)]))


DAMAGES: tuple[Damage, ...] = (
    *(cut, cut_at_a_page, a_bit_of_the_header, some_bits, a_page_of_zeros, a_page_of_noise, two_pages_swapped),
    *(more_after_the_end, another_schema, letters_for_other_bytes),
)


def with_page(raw: bytearray, page: int, content: bytes) -> bytearray:
    raw[PAGE * page : PAGE * (page + 1)] = content
    return raw


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database with some chats, ratings and search entries, as one file."""
    folder = tmp_path_factory.mktemp("sound") / "data"
    url = f"sqlite:///{folder / 'parley.db'}"
    opened = Opened(Store.open(url, folder), url, folder)
    for n in range(12):
        conversation = opened.conversation(title=f"Tea {n}", system_prompt="Be brief.")
        question = opened.question(conversation, "Which tea? " * 40)
        reply = opened.reply(question, "Green tea. " * 300)
        opened.reply(question, "Half", MessageState.PENDING)
        opened.write(lambda r, reply=reply: r.ratings.add("local", reply.id, Verdict.UP, comment="Good"))
    opened.store.close_now()
    return (folder / "parley.db").read_bytes()


@pytest.mark.parametrize("kind", DAMAGES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "round_", [pytest.param(n, marks=[pytest.mark.slow] if n >= QUICK else []) for n in range(ROUNDS)], ids=str
)
def test_a_damaged_file_is_used_or_refused_with_a_sentence(
    sound: bytes, tmp_path: Path, kind: Damage, round_: int
) -> None:
    damaged = bytes(kind(random.Random(f"{kind.__name__} {round_}"), bytearray(sound)))
    folder = tmp_path / "data"
    folder.mkdir()
    path = folder / "parley.db"
    path.write_bytes(damaged)
    url = f"sqlite:///{path}"
    problems = problems_of(url)
    refusal = use(url, folder)
    if refusal is not None:
        assert problems, f"the check finds nothing, but it can't be used: {refusal}"
        assert refusal.message.endswith(".")
    if refusal is not None and not (folder / "backups").exists():
        assert path.read_bytes() == damaged
    shutil.rmtree(folder)


def problems_of(url: str) -> list[str]:
    """What `parley db check` says."""
    try:
        return check(url).problems
    except ParleyError as refused:
        return [refused.message]


def use(url: str, folder: Path) -> ParleyError | None:
    """Start, read and search everything, write; the refusal if starting is refused."""
    try:
        store = Store.open(url, folder)
    except ParleyError as refused:
        return refused
    try:
        for work in (read_all, lambda r: r.conversations.search("local", "tea", 50), write_one):
            with suppress(ParleyError):
                store.submit(work).result(30)
    finally:
        store.close_now()
    return None


def read_all(r: Repositories) -> None:
    for conversation in r.conversations.list("local", limit=50):
        r.messages.all(conversation.id)
    list(r.feedback.conversations())


def write_one(r: Repositories) -> None:
    r.conversations.create("local", title="new")
