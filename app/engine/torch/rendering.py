"""Prompts as the model reads them: text, and the ids of that text with the special tokens that belong to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import TemplateError


class RenderingFailed(Exception):
    """This conversation cannot be rendered; the message says why."""


def render_text(tokenizer: Any, text: str, prefill: str) -> tuple[str, list[int]]:
    """A family's prompt `text`, and the reply's beginning `prefill` after it."""
    # With ChatGLM's tokenizers the special tokens are ids that a family's text never spells, so none was meant.
    typed = {"split_special_tokens": True} if hasattr(tokenizer, "special_id") else {}
    bos = tokenizer.bos_token
    begun = not typed and bool(bos) and text.startswith(bos)  # the family has written it itself
    ids: list[int] = tokenizer(text, add_special_tokens=not begun, **typed)["input_ids"]
    if not prefill:
        return text, ids
    plain: list[int] = tokenizer(text, add_special_tokens=False, **typed)["input_ids"]
    if len(ids) > len(plain) and ids[: len(plain)] == plain:  # special tokens stand between the prompt and the reply
        return text + prefill, ids + tokenizer(prefill, add_special_tokens=False, **typed)["input_ids"]
    return text + prefill, tokenizer(text + prefill, add_special_tokens=not begun, **typed)["input_ids"]


def render_messages(tokenizer: Any, messages: Sequence[Mapping[str, str]], prefill: str) -> tuple[str, list[int]]:
    """The checkpoint's own chat template, in transformers' sandbox. Raises :class:`RenderingFailed`."""
    try:
        if getattr(tokenizer, "chat_template", None):
            text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False) + prefill
            return text, tokenizer(text, add_special_tokens=False)["input_ids"]
        # No template: a tokenizer with a format of its own, whose role tokens no text can make.
        begun = [{"role": "assistant", "content": prefill}] if prefill else []
        ids = tokenizer.apply_chat_template(
            [*messages, *begun],
            add_generation_prompt=not begun,
            continue_final_message=bool(begun),
            tokenize=True,
            return_dict=False,
        )
    except TemplateError as wrong:
        raise RenderingFailed(f"This model's chat template refuses the conversation: {wrong}") from wrong
    except ValueError as wrong:
        raise RenderingFailed(
            f"This model has no chat template ({wrong}). Name the family that it was trained as in its manifest."
        ) from wrong
    return tokenizer.decode(ids), list(ids)
