from __future__ import annotations

import pytest

from app.auth.request_rate import RequestRate
from app.errors import TooManyRequests


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def allowed(rate: RequestRate, subject: str = "ann") -> bool:
    try:
        rate.count(subject)
    except TooManyRequests:
        return False
    return True


def test_a_quarter_at_once_then_evenly() -> None:
    clock = Clock()
    rate = RequestRate(60, clock)
    assert sum(allowed(rate) for _ in range(100)) == 15
    found = 0
    for _ in range(600):
        clock.now += 0.1
        found += allowed(rate)
    assert found in (59, 60)  # of a minute
    assert allowed(rate, "bob")


def test_a_refusal_says_when_to_come_back() -> None:
    clock = Clock()
    rate = RequestRate(6, clock)
    rate.count("ann")
    with pytest.raises(TooManyRequests) as refused:
        rate.count("ann")
    wait_s = refused.value.details["retry_after_s"]
    assert isinstance(wait_s, int)
    clock.now += wait_s
    assert allowed(rate)


def test_no_limit_and_bounded_memory() -> None:
    assert all(allowed(RequestRate(0)) for _ in range(1000))
    rate = RequestRate(60, Clock())
    for n in range(20_000):
        rate.count(f"address {n}")
    assert len(rate._buckets) <= 10_000
