"""The manifests that come with Parley, as package data; weights lie beside them and are not part of the package."""

from __future__ import annotations

from pathlib import Path


def manifests_dir() -> Path:
    """The folder of the shipped ``*.toml`` manifests."""
    return Path(__file__).parent / "manifests"
