from __future__ import annotations

import math

import pytest

from app.domain.sampling import SamplingParams
from app.errors import InvalidSampling


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", "0.5"),
        ("temperature", True),
        ("top_p", 0),
        ("top_p", 1.01),
        ("top_k", -1),
        ("top_k", 1.5),
        ("min_p", 1.1),
        ("repetition_penalty", 0),
        ("max_new_tokens", 0),
        ("max_new_tokens", 10**9),
        ("seed", -1),
        ("seed", 2**32 - 1),
        ("seed", 10**400),
        ("temperature", 10**400),
        ("temperature", [1]),
        ("ignore_eos", "yes"),
        ("stop", "END"),
        ("stop", 5),
        ("stop", [5]),
        ("stop", ("",)),
        ("stop", ("x" * 129,)),
        ("stop", ("x",) * 17),
    ],
)
def test_values_out_of_range_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InvalidSampling) as refused:
        SamplingParams().merged({field: value})
    assert refused.value.details["field"] == field


def test_the_borders_are_allowed() -> None:
    SamplingParams(temperature=0, top_p=1, top_k=0, min_p=0, repetition_penalty=2, max_new_tokens=1, seed=0)
    SamplingParams(temperature=2, min_p=1, seed=2**32 - 2, stop=("x" * 128,) * 16)


def test_merging_keeps_what_is_not_given() -> None:
    merged = SamplingParams(temperature=0.3, seed=7).merged({"top_k": 5, "seed": None, "stop": ["END"]})
    assert merged == SamplingParams(temperature=0.3, top_k=5, seed=7, stop=("END",))


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(InvalidSampling, match="heat is not a sampling parameter"):
        SamplingParams().merged({"heat": 1})


def test_as_dict_goes_through_merged_unchanged() -> None:
    params = SamplingParams(seed=3, stop=("a", "b"), ignore_eos=True)
    assert SamplingParams().merged(params.as_dict()) == params
