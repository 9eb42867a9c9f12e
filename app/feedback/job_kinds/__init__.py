"""Kinds of jobs that work on feedback."""
