"""Metrics in the Prometheus text format."""

from __future__ import annotations

import time

from tests.api.test_event_loop import loop_of
from tests.support.servers import Api

BLOCK = "parley_event_loop_longest_block_seconds"


def metrics(api: Api) -> dict[str, float]:
    lines = api.http.get("/metrics").raise_for_status().text.splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def test_loaded_models_and_streams_are_counted(shared_api: Api) -> None:
    shared_api.answer(shared_api.conversation(), "Hello")
    found = metrics(shared_api)
    assert found["parley_event_streams"] == 0
    assert found['parley_model_slots{model="test"}'] == 4
    assert found['parley_model_running{model="test"}'] == 0


def test_a_blocked_event_loop_is_told(shared_api: Api) -> None:
    loop_of(shared_api).call_soon_threadsafe(time.sleep, 0.6)
    deadline = time.monotonic() + 10
    while metrics(shared_api)[BLOCK] < 0.5:
        assert time.monotonic() < deadline
