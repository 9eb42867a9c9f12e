"""Domain values and pure functions: conversations, sampling, feedback. Standard library only, no I/O."""
