from __future__ import annotations

import math

import pytest

from benchmarks.report import median, percentile, table


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([3.0], 0.5, 3.0),
        ([4.0, 1.0, 3.0, 2.0], 0.5, 2.0),
        ([4.0, 1.0, 3.0, 2.0], 0.99, 4.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
        ([float(n) for n in range(1, 101)], 0.0, 1.0),
    ],
)
def test_percentile(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def test_nothing_has_no_percentile_and_no_median() -> None:
    assert math.isnan(percentile([], 0.5))
    assert math.isnan(median([]))


def test_a_table_is_markdown_with_columns_of_one_width() -> None:
    assert table([{"chats": 1, "tok/s": 73.256}, {"chats": 16, "tok/s": 12345.6}]).splitlines() == [
        "| chats |  tok/s |",
        "|------:|-------:|",
        "|     1 |  73.26 |",
        "|    16 | 12,346 |",
    ]
