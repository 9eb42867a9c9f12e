"""Damaged and forged headers of GGUF files: each is read or refused with a sentence, and none takes long.

Half of the files have a long hole at their end (which takes no space), so that what a header claims fits into the file:
zeros are as many empty strings as one likes.
"""

from __future__ import annotations

import os
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import DamagedWeights
from app.weights.formats.gguf import read_header
from tests.support.gguf_files import ARRAY, F32, LLAMA, TEXT, U32, GGUFFile, Tensor, text

MAX_CPU_S = 1.0
HOLE_BYTES = 1 << 30
NUMBERS = (0, 1, ARRAY, TEXT, 255, 4096, 2_000_000, 40_000_000, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1)
Mutation = Callable[[random.Random, bytearray], None]


def some_bytes(dice: random.Random, data: bytearray) -> None:
    for _ in range(dice.randint(1, 4)):
        data[dice.randrange(len(data))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))


def a_number(dice: random.Random, data: bytearray) -> None:
    form = dice.choice(("<I", "<Q"))
    at = dice.randrange(len(data) - 8)
    number = dice.choice(NUMBERS) % (1 << 8 * struct.calcsize(form))
    data[at : at + struct.calcsize(form)] = struct.pack(form, number)


def a_piece_twice(dice: random.Random, data: bytearray) -> None:
    at, length = dice.randrange(len(data)), dice.randrange(64)
    data[at:at] = data[at : at + length]


def a_piece_lost(dice: random.Random, data: bytearray) -> None:
    at = dice.randrange(len(data))
    del data[at : at + dice.randrange(64)]


def cut_off(dice: random.Random, data: bytearray) -> None:
    del data[dice.randrange(len(data)) :]


MUTATIONS: tuple[Mutation, ...] = (some_bytes, a_number, a_piece_twice, a_piece_lost, cut_off)


def read(path: Path, data: bytes | bytearray, size: int = 0, max_cpu_s: float = MAX_CPU_S) -> str:
    """What the reader says about a file of at least `size` bytes; "" if it accepts it."""
    path.write_bytes(data)
    if size > len(data):
        os.truncate(path, size)
    before = time.thread_time()
    try:
        read_header(path)
        said = ""
    except DamagedWeights as err:
        said = err.message
    assert time.thread_time() - before < max_cpu_s, said
    return said


def mutate_and_read(path: Path, seed: int, rounds: int) -> None:
    dice = random.Random(seed)
    file = GGUFFile()
    good = file.build()[: file.sections["data"]]
    said = []
    for _ in range(rounds):
        data = bytearray(good)
        dice.choice(MUTATIONS)(dice, data)
        said.append(read(path, data, size=dice.choice((0, HOLE_BYTES))))
    refusals = [sentence for sentence in said if sentence]
    assert len(refusals) > rounds / 2
    assert all(s.startswith(f"{path.name} is damaged") and s.endswith("Download it again.") for s in refusals)


def test_mutated_headers_are_read_or_refused_soon(tmp_path: Path) -> None:
    mutate_and_read(tmp_path / "mutated.gguf", seed=1, rounds=500)


@pytest.mark.slow
def test_many_mutated_headers_are_read_or_refused_soon(tmp_path: Path) -> None:
    mutate_and_read(tmp_path / "mutated.gguf", seed=2, rounds=2500)


def strings(key: str, count: int) -> bytes:
    """A list of `count` strings that begins; in a hole all of them are empty."""
    return text(key) + struct.pack("<IIQ", ARRAY, TEXT, count)


def numbers(key: str, kind: int, count: int) -> bytes:
    return text(key) + struct.pack("<IIQ", ARRAY, kind, count)


def forged(*entries: bytes) -> bytes:
    """A header whose metadata is `entries`; what they claim, but is not there, is in the hole behind."""
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + b"".join(entries)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (forged(strings("many", 40_000_000)), "claims 40000000 strings in many"),
        (forged(strings("a", 1_500_000) + b"\0" * 12_000_000, strings("b", 1_500_000)), "claims 1500000 strings in b"),
        (forged(strings("one", 1) + struct.pack("<Q", 1 << 29)), "longer than 64 MiB"),
        (forged(numbers("numbers", U32, 1 << 27)), "claims 134217728 numbers in numbers"),
        (forged(*(numbers(f"k{n}", F32, 4000) + b"\0" * 16_000 for n in range(501))), "more than 2000000 values"),
        (forged(*(text(f"k{n}") + struct.pack("<IQ", TEXT, 1 << 20) + b"x" * (1 << 20) for n in range(65))), "64 MiB"),
        (forged(text("lists") + struct.pack("<IIQ", ARRAY, ARRAY, 3)), "lists holds lists"),
    ],
    ids=["strings", "strings in two lists", "a long string", "numbers", "short lists", "texts", "lists in a list"],
)
def test_what_would_take_long_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    assert reason in read(tmp_path / "forged.gguf", data, size=HOLE_BYTES)


def test_the_largest_header_within_the_limits_is_read_soon(tmp_path: Path) -> None:
    tensors = [Tensor(f"blk.{n}.weight", (1, 1, 1, 1)) for n in range(50_000)]
    metadata = {f"k{n}": n for n in range(9_000)} | dict(LLAMA)
    file = GGUFFile(metadata, tensors, keys=len(metadata) + 1)
    data = bytearray(file.build())
    at = file.sections["metadata"]
    data[at:at] = strings("vocabulary", 1_990_000) + bytes(8 * 1_990_000)
    assert read(tmp_path / "large.gguf", data, size=len(data) + file.alignment, max_cpu_s=5) == ""  # takes 0.6 s
