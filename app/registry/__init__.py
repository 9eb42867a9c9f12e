"""Which models there are, where their weights are, whether they are whole, and what memory they need.

A model is described by a *manifest* (:mod:`app.registry.manifest`), found by the *catalog*
(:mod:`app.registry.catalog`) and fetched by *pull* (:mod:`app.registry.pull`, :mod:`app.registry.pulls`).
Nothing here loads a model: headers are read within limits, sums are computed, and that is all.
"""
