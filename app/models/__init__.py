"""Which models there are, what each needs, and bringing them here.

A model is described by a *manifest* (:mod:`app.models.manifest`) and found by the *catalog*
(:mod:`app.models.catalog`). Nothing here loads a model.
"""
