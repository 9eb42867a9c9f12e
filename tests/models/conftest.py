"""The loopback hub and package index of the fetching tests."""

from __future__ import annotations

from tests.weights.conftest import index
from tests.weights.fetching.conftest import hub, store

__all__ = ["hub", "index", "store"]
