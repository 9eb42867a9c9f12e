"""ChatGLM3-6B: messages behind role tokens. The tokenizer makes their ids, because a text could forge them.

See :class:`app.families.chatglm2.tokenization.ChatGLM3Tokenizer`. A reply begins with its metadata, which is an empty
line unless it calls a tool; cleaning it up takes that line away.
"""

from __future__ import annotations

import functools

from app.families.base import Family
from app.families.chatglm_prompt import ChatGLMCleaner

FAMILY = Family(
    name="chatglm3", title="ChatGLM3", render=None, cleaner=functools.partial(ChatGLMCleaner, punctuation=False)
)
