from __future__ import annotations

import pytest

from app.errors import TooManyRequests
from app.feedback.rate_limit import WINDOW_S, RateLimit


def test_the_limit_holds_for_each_person_and_any_minute() -> None:
    now = 0.0
    limit = RateLimit(2, clock=lambda: now)
    limit.count("ann")
    now = 50.0
    limit.count("ann")
    with pytest.raises(TooManyRequests) as refused:
        limit.count("ann")
    assert refused.value.details["retry_after_s"] == 10
    limit.count("bob")
    now = WINDOW_S
    limit.count("ann")  # the first is a minute ago
    with pytest.raises(TooManyRequests):
        limit.count("ann")


def test_who_does_not_judge_any_more_is_forgotten() -> None:
    now = 0.0
    limit = RateLimit(2, clock=lambda: now)
    for person in range(100):
        limit.count(str(person))
    now = WINDOW_S + 1
    limit.count("ann")
    assert set(limit._times) == {"ann"}
