"""All judged replies as columns of numbers, and what is counted and compared in them. Needs NumPy."""
