"""What single programs write: one module for each shape of judgements and of training data.

``read(record)`` returns what is in a record, why it is skipped, or ``None`` if it is of another shape.
"""
