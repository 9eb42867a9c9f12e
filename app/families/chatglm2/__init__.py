"""ChatGLM2-6B and ChatGLM3-6B for transformers: importing this makes both known to its ``Auto`` classes.

The published files call themselves ``chatglm``, as those of the first generation do. So the first generation's classes,
which transformers finds under that name, hand these checkpoints on to here: the configuration by its keys, the
tokenizer by its file.
"""

from __future__ import annotations

from app.families.chatglm2.configuration import ChatGLM2Config

__all__ = ["ChatGLM2Config", "register"]


def register() -> None:
    """Make the configuration, the models and the tokenizers known to transformers' ``Auto`` classes."""
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    from app.families.chatglm2.modeling import (
        ChatGLM2ForCausalLM,
        ChatGLM2ForSequenceClassification,
        ChatGLM2Model,
    )
    from app.families.chatglm2.tokenization import ChatGLM2Tokenizer, ChatGLM3Tokenizer

    AutoModel.register(ChatGLM2Config, ChatGLM2Model, exist_ok=True)
    AutoModelForCausalLM.register(ChatGLM2Config, ChatGLM2ForCausalLM, exist_ok=True)
    AutoModelForSequenceClassification.register(ChatGLM2Config, ChatGLM2ForSequenceClassification, exist_ok=True)
    # The last one is what a folder without a tokenizer_config.json gets; both are found by their names.
    for tokenizer in (ChatGLM3Tokenizer, ChatGLM2Tokenizer):
        AutoTokenizer.register(ChatGLM2Config, tokenizer, exist_ok=True)


# Last, because it comes back for `register`: whichever of the two packages is imported first, both get registered.
import app.families.chatglm  # noqa: E402, F401
