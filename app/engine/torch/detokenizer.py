"""Decodes token ids as they come, so that the pieces joined are the whole decoded at once.

Two things make that more than decoding each token: a character may be spread over several tokens, and what a token
looks like may depend on its neighbours (sentencepiece drops the space before the first one; some tokenizers tidy up
spaces). So a short window of tokens is decoded again with each new one, and only what it adds is given out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

_REPLACEMENT = "\ufffd"
_HALF = 3  # bytes of a character that may wait for their last; each may show as one U+FFFD
_PATIENCE = 8  # tokens: a character has 4 bytes at most, and some tokens give none
_LONGEST_WINDOW = 64  # tokens; only what is no UTF-8 at all gets there
_CONTEXT = 8
_TIDIED = 4  # characters that a tidying tokenizer looks at: " n't"


class Decoder(Protocol):
    """What is needed of a tokenizer."""

    @property
    def all_special_ids(self) -> list[int]:
        """Tokens without text."""

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        """The text of `token_ids`."""


class Detokenizer:
    """The text of one reply. The cost of a token does not grow with the reply."""

    def __init__(self, tokenizer: Decoder) -> None:
        self._tokenizer = tokenizer
        self._tidies = bool(getattr(tokenizer, "clean_up_tokenization_spaces", False))
        self._skipped = frozenset(tokenizer.all_special_ids)
        self._window: list[int] = []
        self._settled = 0  # tokens at the window's start whose text is out, and ends with a whole character
        self._shown = 0  # characters of the window's text that are out

    def push(self, token: int) -> str:
        """What may be shown now that `token` has come."""
        if token in self._skipped:
            return ""
        self._window.append(token)
        text = self._decoded(self._window)
        safe = self._safe(text)
        new = text[self._shown : safe]
        self._shown = max(self._shown, safe)
        if new and self._shown == len(text):
            self._slide(self._settled)
        elif len(self._window) > _LONGEST_WINDOW:
            self._slide(len(self._window) - _CONTEXT)
        return new

    def flush(self) -> str:
        """The rest, when no more tokens will come; a character that is not whole is left out."""
        text = self._decoded(self._window)
        rest = text[self._shown :]
        self._shown = len(text)
        return rest.rstrip(_REPLACEMENT)

    def _safe(self, text: str) -> int:
        """How much of `text` no later token can change.

        Nothing new, while it ends with half a character: some tokenizers show all bytes in a row as U+FFFD as long
        as the last is missing. After more tokens than that can take, it is no character at all.
        """
        half = len(text) - len(text.rstrip(_REPLACEMENT))
        if half:
            waiting = len(self._window) - self._settled <= _PATIENCE
            return self._shown if waiting else len(text) - min(half, _HALF)
        if self._tidies and (space := text.find(" ", max(0, len(text) - _TIDIED))) >= 0:
            return space
        return len(text)

    def _slide(self, start: int) -> None:
        """Drop the tokens before `start`; what stays is the context of the next ones."""
        kept = self._window[start:]
        text = self._decoded(kept)
        if text:
            self._window, self._shown = kept, len(text)
        self._settled = len(self._window)

    def _decoded(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=True)
