from __future__ import annotations

import random

import pytest

from app.engine.sse import EventReader
from app.engine.stopping import TextGate

ALPHABET = "ab<é😀"


def expected(text: str, stops: list[str]) -> str:
    for end in range(len(text) + 1):
        if ending := [stop for stop in stops if text[:end].endswith(stop)]:
            return text[: end - max(map(len, ending))]
    return text


@pytest.mark.parametrize("seed", range(400))
def test_shown_text_never_depends_on_how_it_was_cut(seed: int) -> None:
    chance = random.Random(seed)
    text = "".join(chance.choice(ALPHABET) for _ in range(40))
    stops = ["".join(chance.choice(ALPHABET) for _ in range(chance.randint(2, 5))) for _ in range(chance.randint(0, 3))]
    gate, shown, at = TextGate(stops), "", 0
    while at < len(text) and not gate.stopped:
        size = chance.randint(1, 4)
        shown += gate.push(text[at : at + size])
        at += size
        assert expected(text, stops).startswith(shown)
    shown += gate.flush()
    assert shown == expected(text, stops)
    assert gate.stopped == any(stop in text for stop in stops)


def test_text_that_cannot_become_a_stop_string_is_not_held_back() -> None:
    gate = TextGate(["</s>", "User:"])
    assert [gate.push(p) for p in ("Hi", " <", "/", "b> Us", "ed")] == ["Hi", " ", "", "</b> ", "Used"]
    assert [gate.push("Use"), gate.flush()] == ["", "Use"]


def test_nothing_follows_a_stop_string() -> None:
    gate = TextGate(["END"])
    assert [gate.push("a EN"), gate.push("D b"), gate.push("c"), gate.flush()] == ["a ", "", "", ""]
    assert gate.stopped


def test_halves_of_a_character_are_joined_or_replaced() -> None:
    gate = TextGate()
    assert [gate.push("a\ud83d"), gate.push("\ude00b"), gate.push("\ude00"), gate.push("\ud83d"), gate.flush()] == [
        "a",
        "😀b",
        "\ufffd",
        "",
        "\ufffd",
    ]


def test_a_nul_which_no_database_can_hold_is_replaced() -> None:
    gate = TextGate(["END"])
    assert [gate.push("a\0b\0E"), gate.flush()] == ["a\ufffdb\ufffd", "E"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_events_are_the_same_however_the_bytes_are_cut(size: int) -> None:
    first = ': hello\n\ndata: {"a": "é😀"}\r\n\r\nevent: x\nid: 3\n'
    stream = (first + "data:one\ndata: two\n\ndata: [DONE]\n\ndata: cut").encode()
    reader = EventReader()
    events = [e for i in range(0, len(stream), size) for e in reader.feed(stream[i : i + size])]
    assert events == ['{"a": "é😀"}', "one\ntwo", "[DONE]"]


@pytest.mark.parametrize("chunk", [b"data: \xff\n\n", b"x" * (5 << 20)])
def test_what_is_no_event_stream_is_refused(chunk: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        EventReader().feed(chunk)
