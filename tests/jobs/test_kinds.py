from __future__ import annotations

import sys
from types import ModuleType

import pytest

from app.errors import ConfigurationError
from app.jobs.kind import find_kinds


def test_a_kind_is_found_by_its_module() -> None:
    kinds = find_kinds(["tests.jobs.kinds"])
    assert {name: kind.module for name, kind in kinds.items()} == {
        "count": "tests.jobs.kinds.counting",
        "once": "tests.jobs.kinds.once",
    }


def test_two_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    twin = ModuleType("twin")
    twin.__path__ = sys.modules["tests.jobs.kinds"].__path__
    monkeypatch.setitem(sys.modules, "twin", twin)
    with pytest.raises(ConfigurationError, match="Two kinds of jobs are named 'count'"):
        find_kinds(["tests.jobs.kinds", "twin"])
