"""The files that models come in, read within limits: headers, shapes and settings, never weights."""
