"""Engines, which turn prompts into tokens, and the admission queue in front of each."""
