"""Against the examples in K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011)."""

from __future__ import annotations

from collections import Counter

import pytest

from app.feedback.agreement import agreement

BINARY = ("0100000010", "1110010000")
NOMINAL = ("aabbdcccedda", "babbbccceddd")
MISSING = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")


def patterns(raters: tuple[str, ...]) -> list[tuple[dict[str, int], int]]:
    """How often each combination of values occurs; a dot is a missing one."""
    units = Counter(
        tuple(sorted(Counter(value for value in unit if value != ".").items())) for unit in zip(*raters, strict=True)
    )
    return [(dict(values), count) for values, count in units.items()]


@pytest.mark.parametrize(
    ("raters", "alpha", "units"),
    [(BINARY, 0.095, 10), (NOMINAL, 0.692, 12), (MISSING, 0.743, 11)],
)
def test_published_examples(raters: tuple[str, ...], alpha: float, units: int) -> None:
    found = agreement(patterns(raters))
    assert found.alpha == pytest.approx(alpha, abs=5e-4)
    assert found.units == units


def test_agreement_needs_something_to_agree_about() -> None:
    assert agreement([]).alpha is None
    assert agreement([({"up": 1}, 50)]).units == 0
    only_one_value = agreement([({"up": 2, "down": 0}, 9)])
    assert (only_one_value.alpha, only_one_value.units, only_one_value.judgements) == (None, 9, 18)
    assert agreement([({"up": 2}, 4), ({"down": 3}, 4)]).alpha == 1.0
