"""ChatGLM2-6B and ChatGLM3-6B for transformers 5; :mod:`app.families.chatglm` registers them with the ``Auto`` classes.

Published files have the model type ``chatglm``, as in the first generation. So the first generation's classes, which
transformers finds by that name, forward these checkpoints to this package: the configuration by its keys, the tokenizer
by its file.
"""
