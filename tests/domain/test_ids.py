from __future__ import annotations

import time

from app.domain.ids import new_id


def test_ids_are_unique_and_safe_in_a_path() -> None:
    ids = {new_id() for _ in range(10_000)}
    assert len(ids) == 10_000
    assert all(len(i) == 26 and i.isalnum() and i.isascii() for i in ids)


def test_text_order_is_time_order() -> None:
    first = new_id()
    time.sleep(0.003)
    assert first < new_id()
