"""Shared by all generations of ChatGLM: the quantized layout, and tokenization of conversations."""
