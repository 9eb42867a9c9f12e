"""Which models there are, where their weights are, whether they are whole, and what memory they need.

A model is described by a *manifest* (:mod:`app.registry.manifest`) and found by the *catalog*
(:mod:`app.registry.catalog`). Its files are read within limits (``formats``), fetched (``fetching``), brought in from
what others published (``importing``), and rewritten for llama.cpp (``quantizing``). Nothing here loads a model.
"""
