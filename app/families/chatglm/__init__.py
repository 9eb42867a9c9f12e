"""The ChatGLM architectures for transformers 5; importing this makes ``AutoModel`` and the others know all three.

Folders with an original checkpoint load as they are. Code that lies in them is never run.
"""

from __future__ import annotations

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from app.families import chatglm2
from app.families.chatglm.configuration import ChatGLMConfig
from app.families.chatglm.modeling import ChatGLMForCausalLM, ChatGLMForSequenceClassification, ChatGLMModel
from app.families.chatglm.tokenization import ChatGLMTokenizer

__all__ = [
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

chatglm2.register()
