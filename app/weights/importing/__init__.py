"""Imports models and adapters from folders and files, converting PyTorch's own files and delta weights."""
