"""Validating readers of model files' headers, names and settings; never of the weights."""
