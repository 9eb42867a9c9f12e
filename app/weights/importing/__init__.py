"""Import of models that lie in other formats: folders, PyTorch's own files, delta weights."""
