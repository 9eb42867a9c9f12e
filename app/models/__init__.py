"""Which models exist, what each needs, and how they are downloaded, imported and converted.

A *manifest* (:mod:`app.models.manifest`) describes a model; the *catalog* (:mod:`app.models.catalog`) lists all models.
Nothing in this package loads a model.
"""
