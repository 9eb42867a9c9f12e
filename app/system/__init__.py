"""Operating system helpers: child processes, file locks, disk access, the delay of the event loop. Independent of models."""
