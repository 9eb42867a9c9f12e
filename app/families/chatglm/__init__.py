"""The ChatGLM architectures for transformers 5; importing this registers all three with the ``Auto`` classes.

Folders with an original checkpoint load unchanged. Code in them is never run.
"""

from __future__ import annotations

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from app.families.chatglm.configuration import ChatGLMConfig
from app.families.chatglm.modeling import ChatGLMForCausalLM, ChatGLMForSequenceClassification, ChatGLMModel
from app.families.chatglm.tokenization import ChatGLMTokenizer
from app.families.chatglm2.configuration import ChatGLM2Config
from app.families.chatglm2.modeling import ChatGLM2ForCausalLM, ChatGLM2ForSequenceClassification, ChatGLM2Model
from app.families.chatglm2.tokenization import ChatGLM2Tokenizer, ChatGLM3Tokenizer

__all__ = [
    "ChatGLM2Config",
    "ChatGLM2ForCausalLM",
    "ChatGLM2ForSequenceClassification",
    "ChatGLM2Model",
    "ChatGLM2Tokenizer",
    "ChatGLM3Tokenizer",
    "ChatGLMConfig",
    "ChatGLMForCausalLM",
    "ChatGLMForSequenceClassification",
    "ChatGLMModel",
    "ChatGLMTokenizer",
]

AutoConfig.register(ChatGLMConfig.model_type, ChatGLMConfig, exist_ok=True)
AutoModel.register(ChatGLMConfig, ChatGLMModel, exist_ok=True)
AutoModelForCausalLM.register(ChatGLMConfig, ChatGLMForCausalLM, exist_ok=True)
AutoModelForSequenceClassification.register(ChatGLMConfig, ChatGLMForSequenceClassification, exist_ok=True)
AutoTokenizer.register(ChatGLMConfig, ChatGLMTokenizer, exist_ok=True)

AutoModel.register(ChatGLM2Config, ChatGLM2Model, exist_ok=True)
AutoModelForCausalLM.register(ChatGLM2Config, ChatGLM2ForCausalLM, exist_ok=True)
AutoModelForSequenceClassification.register(ChatGLM2Config, ChatGLM2ForSequenceClassification, exist_ok=True)
# The last one is the default for a folder without a tokenizer_config.json; both are also found by name.
for tokenizer in (ChatGLM3Tokenizer, ChatGLM2Tokenizer):
    AutoTokenizer.register(ChatGLM2Config, tokenizer, exist_ok=True)
