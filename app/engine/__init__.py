"""Engines turn prompts into tokens; in front of each stands an admission queue."""
