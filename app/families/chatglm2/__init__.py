"""ChatGLM2-6B and ChatGLM3-6B for transformers 5; :mod:`app.families.chatglm` makes its ``Auto`` classes know them.

The published files call themselves ``chatglm``, as those of the first generation do. So the first generation's classes,
which transformers finds under that name, hand these checkpoints on to here: the configuration by its keys, the
tokenizer by its file.
"""
