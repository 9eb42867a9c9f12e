"""What Parley is about, in plain values and pure functions: standard library only, no I/O."""
