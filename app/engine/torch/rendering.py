"""Renders prompts in the worker: their text, and their token ids with special tokens.

Chat templates are not run here but in the sandbox of :mod:`app.engine.templates`, which sends the rendered text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class RenderingFailed(Exception):
    """This conversation cannot be rendered; the message says why."""


def rendered(tokenizer: Any, frame: Mapping[str, Any]) -> tuple[str, list[int]]:
    """Text and token ids for a ``render`` frame (:mod:`app.engine.torch.frames`). Raises :class:`RenderingFailed`."""
    prefill: str = frame["prefill"]
    if "text" in frame:
        return render_text(tokenizer, frame["text"], prefill)
    if "templated" in frame:
        text = frame["templated"] + prefill
        return text, tokenizer(text, add_special_tokens=False)["input_ids"]
    return render_messages(tokenizer, frame["messages"], prefill)


def special_tokens(tokenizer: Any) -> dict[str, str]:
    """The tokenizer's special tokens by the names used in chat templates, such as ``bos_token``."""
    return {name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}


def render_text(tokenizer: Any, text: str, prefill: str) -> tuple[str, list[int]]:
    """Text and token ids of a family's prompt `text`, followed by the reply's beginning `prefill`."""
    # ChatGLM's special tokens are never written as text by a family, so one that is in the text was typed by a user.
    typed = {"split_special_tokens": True} if hasattr(tokenizer, "special_id") else {}
    bos = tokenizer.bos_token
    begun = not typed and bool(bos) and text.startswith(bos)  # the family's format contains it
    ids: list[int] = tokenizer(text, add_special_tokens=not begun, **typed)["input_ids"]
    if not prefill:
        return text, ids
    plain: list[int] = tokenizer(text, add_special_tokens=False, **typed)["input_ids"]
    if len(ids) > len(plain) and ids[: len(plain)] == plain:  # special tokens between the prompt and the reply
        return text + prefill, ids + tokenizer(prefill, add_special_tokens=False, **typed)["input_ids"]
    return text + prefill, tokenizer(text + prefill, add_special_tokens=not begun, **typed)["input_ids"]


def render_messages(tokenizer: Any, messages: Sequence[Mapping[str, str]], prefill: str) -> tuple[str, list[int]]:
    """Text and token ids of a conversation, for tokenizers whose role tokens have no text form (ChatGLM's).

    Raises :class:`RenderingFailed` where the tokenizer rejects the conversation, and for every other tokenizer.
    """
    if not hasattr(tokenizer, "special_id"):
        raise RenderingFailed(
            "This model has no chat template. Set the family that it was trained with in its manifest."
        )
    begun = [{"role": "assistant", "content": prefill}] if prefill else []
    try:
        ids = tokenizer.apply_chat_template(
            [*messages, *begun],
            add_generation_prompt=not begun,
            continue_final_message=bool(begun),
            tokenize=True,
            return_dict=False,
        )
    except ValueError as wrong:
        raise RenderingFailed(f"This model's prompt format rejects this conversation: {wrong}") from wrong
    return tokenizer.decode(ids), list(ids)
