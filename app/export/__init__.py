"""Exports feedback as files that training tools read: one module of this package per format.

A format takes domain objects and gives rows; it knows neither the database nor the disk. :mod:`app.export.files`
writes them, with a manifest that says how the data came about.
"""
