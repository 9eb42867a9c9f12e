from __future__ import annotations

from collections import Counter

import pytest

from app.domain.splits import Shares, Split, split_of
from app.errors import InvalidRequest


def test_shares_are_kept_on_average() -> None:
    counts = Counter(split_of(f"C{n}", Shares(0.1, 0.2)) for n in range(10_000))
    assert abs(counts[Split.TEST] - 2_000) < 150
    assert abs(counts[Split.VALIDATION] - 1_000) < 120


def test_a_key_stays_in_test_when_the_share_grows() -> None:
    small = {n for n in range(1_000) if split_of(str(n), Shares(0.1, 0.1)) is Split.TEST}
    assert small < {n for n in range(1_000) if split_of(str(n), Shares(0.1, 0.2)) is Split.TEST}


def test_without_shares_all_is_for_training() -> None:
    assert {split_of(str(n), Shares(0, 0)) for n in range(1_000)} == {Split.TRAIN}


@pytest.mark.parametrize("shares", [(0.5, 0.5), (-0.1, 0.1), (0.1, 1.0), (float("nan"), 0.1), (0.9, 0.2)])
def test_impossible_shares_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(InvalidRequest, match="less than 1 together"):
        Shares(*shares).check()
