"""The loopback package index of the fetching tests."""

from __future__ import annotations

from tests.weights.conftest import index

__all__ = ["index"]
