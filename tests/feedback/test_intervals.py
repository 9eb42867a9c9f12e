from __future__ import annotations

import pytest

from app.feedback.intervals import Share


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),  # R: binom::binom.confint(count, of, methods = "wilson")
    [
        (8, 10, 0.4901625, 0.9433178),
        (0, 10, 0.0, 0.2775328),
        (10, 10, 0.7224672, 1.0),
        (500, 1000, 0.4690694, 0.5309306),
    ],
)
def test_wilson_intervals(count: int, of: int, low: float, high: float) -> None:
    share = Share(count, of)
    assert (share.low, share.high) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))
    assert share.value == count / of


def test_a_share_of_nothing_can_be_anything() -> None:
    nothing = Share(0, 0)
    assert (nothing.value, nothing.low, nothing.high) == (None, 0.0, 1.0)
