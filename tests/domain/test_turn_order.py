from __future__ import annotations

import pytest

from app.domain.messages import Role, Turn
from app.domain.turn_order import in_order

S, U, A = Role.SYSTEM, Role.USER, Role.ASSISTANT


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([(U, "a"), (A, "b"), (U, "c")], [(U, "a"), (A, "b"), (U, "c")]),
        ([(U, "a"), (U, "b")], [(U, "a\n\nb")]),
        ([(U, "a"), (A, ""), (U, "b")], [(U, "a\n\nb")]),
        ([(U, "a"), (A, " \n"), (U, "b"), (A, "c"), (A, "d"), (U, "e")], [(U, "a\n\nb"), (A, "c\n\nd"), (U, "e")]),
        ([(U, "a"), (S, "late"), (U, "b")], [(S, "late"), (U, "a\n\nb")]),
        ([(S, "x"), (U, " a "), (S, ""), (S, "y")], [(S, "x\n\ny"), (U, " a ")]),
        ([(A, "Hello!"), (U, "a")], [(A, "Hello!"), (U, "a")]),
        ([(S, "x")], [(S, "x")]),
        ([(U, " ")], [(U, " ")]),
        ([], []),
    ],
)
def test_the_order_of_turns(given: list[tuple[Role, str]], expected: list[tuple[Role, str]]) -> None:
    ordered = in_order([Turn(*turn) for turn in given])
    assert ordered == [Turn(*turn) for turn in expected]
    assert in_order(ordered) == ordered
