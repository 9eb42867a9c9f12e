"""Formats of training data, one module for each.

A format turns derived rows into JSON and knows neither the database nor the disk. :mod:`app.feedback.datasets` derives
the rows, splits them and writes the files.
"""
