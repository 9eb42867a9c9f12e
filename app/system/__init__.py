"""What Parley asks of the operating system: child processes, file locks, and the disk. Knows nothing of models."""
