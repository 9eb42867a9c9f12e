"""Builds datasets from the feedback log: filters, derived rows, splits, files. See docs/architecture.md."""
