"""Renders prompts in the worker: their text, and their token ids with special tokens.

Chat templates are not run here but in the sandbox of :mod:`app.engine.templates`; this module gets the rendered text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any


class RenderingFailed(Exception):
    """This conversation cannot be rendered; the message says why."""


def rendered(tokenizer: Any, frame: Mapping[str, Any]) -> tuple[str, list[int]]:
    """Text and token ids for a ``render`` frame (:mod:`app.engine.torch.frames`). Raises :class:`RenderingFailed`."""
    if "messages" in frame:
        return render_messages(tokenizer, frame["messages"], frame["prefill"])
    if "pieces" in frame:
        begun = frame["native"] or frame["begun"]
        return frame["text"], ([] if begun else _beginning(tokenizer)) + encode_pieces(tokenizer, frame["pieces"])
    if frame["native"]:
        text = frame["text"] + frame["prefill"]
        return text, tokenizer(text, add_special_tokens=False)["input_ids"]
    return render_text(tokenizer, frame["text"], frame["prefill"])


def control_tokens(tokenizer: Any) -> tuple[dict[str, int], dict[str, int]]:
    """The ids of control tokens by their text, and of other tokens that the tokenizer finds in any text.

    Empty for ChatGLM's tokenizers, which parse no text for them.
    """
    if hasattr(tokenizer, "special_id"):
        return {}, {}
    added = tokenizer.added_tokens_decoder.items()
    control = {str(token): index for index, token in added if token.special}
    return control, {str(token): index for index, token in added if not token.special}


def encode_pieces(tokenizer: Any, pieces: Sequence[int | str]) -> list[int]:
    """Token ids of control tokens and the texts between them, as if they stood in one text."""
    ids: list[int] = []
    added = tokenizer.added_tokens_decoder
    for at, piece in enumerate(pieces):
        if isinstance(piece, int):
            ids.append(piece)
            continue
        before, after = pieces[at - 1] if at else None, pieces[at + 1] if at + 1 < len(pieces) else None
        if isinstance(before, int) and added[before].rstrip:
            piece = piece.lstrip()
        if isinstance(after, int) and added[after].lstrip:
            piece = piece.rstrip()
        with _inside_a_text(tokenizer) if ids else nullcontext():
            ids += tokenizer(piece, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids


@contextmanager
def _inside_a_text(tokenizer: Any) -> Iterator[None]:
    """Makes a tokenizer that puts a space before the beginning of a text only put none before the next ones."""
    pre: Any = getattr(getattr(tokenizer, "backend_tokenizer", None), "pre_tokenizer", None)
    if getattr(pre, "prepend_scheme", "") != "first":
        yield
        return
    pre.prepend_scheme = "never"
    try:
        yield
    finally:
        pre.prepend_scheme = "first"


def _beginning(tokenizer: Any) -> list[int]:
    """The special tokens that the tokenizer puts before a text."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    ids: list[int] = tokenizer("a")["input_ids"]
    start = next((at for at in range(len(ids)) if ids[at : at + len(plain)] == plain), 0)
    return ids[:start]


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
