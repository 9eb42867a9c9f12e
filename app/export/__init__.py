"""Exports feedback as training data, with one module per format.

A format turns domain objects into rows and knows neither the database nor the disk. :mod:`app.export.files` writes the
rows, with a manifest about their origin.
"""
