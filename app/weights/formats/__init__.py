"""Readers of model files, within limits: headers, names and settings, never weights."""
