"""The use cases of feedback: rate, rank, correct, review, compare models, build datasets."""
