"""Feedback use-cases: what people judge, and what is made of it."""
