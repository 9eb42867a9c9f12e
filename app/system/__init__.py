"""Operating system helpers: child processes, file locks and disk access. Independent of models."""
