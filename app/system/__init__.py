"""Operating system helpers: child processes, file locks, the disk, the event loop. Independent of models."""
