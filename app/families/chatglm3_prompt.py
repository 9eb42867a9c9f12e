"""ChatGLM3-6B: messages after role tokens. The tokenizer creates their ids, since as text they could be forged.

See :class:`app.families.chatglm2.tokenization.ChatGLM3Tokenizer`. A reply begins with its metadata, an empty line
unless it calls a tool; the clean-up removes that line.
"""

from __future__ import annotations

import functools

from app.families.base import Family
from app.families.chatglm_prompt import ChatGLMCleaner

FAMILY = Family(
    name="chatglm3", title="ChatGLM3", render=None, cleaner=functools.partial(ChatGLMCleaner, punctuation=False)
)
