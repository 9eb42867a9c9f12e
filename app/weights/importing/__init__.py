"""Bringing in what others published: folders, PyTorch's own files, differences to another model."""
