"""Bringing a model's files here: all of them, checked, or nothing."""
