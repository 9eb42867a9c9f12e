"""Incremental detokenizer: decodes token ids one by one to the same text as decoding them all at once.

Decoding each token alone is not enough: a character may span several tokens, and a token's text may depend on its
neighbours (sentencepiece drops the space before the first one; some tokenizers clean up spaces). So a short window of
tokens is decoded again with each new token, and only the added text is returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.domain.reasoning import TAGS

_TAGS = frozenset((*TAGS, *TAGS.values()))
_REPLACEMENT = "\ufffd"
_HALF = 3  # bytes of an incomplete character; each may decode to one U+FFFD
_PATIENCE = 8  # tokens: a character has 4 bytes at most, and some tokens have no text
_LONGEST_WINDOW = 64  # tokens; reached only by output that is not UTF-8
_CONTEXT = 8
_TIDIED = 4  # characters that clean-up of spaces looks at: " n't"


class Decoder(Protocol):
    """The part of a tokenizer's interface that is used here."""

    @property
    def all_special_ids(self) -> list[int]:
        """Tokens without text."""

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        """The text of `token_ids`."""


class Detokenizer:
    """Decodes one reply. The cost of a token does not grow with the reply."""

    def __init__(self, tokenizer: Decoder) -> None:
        self._tokenizer = tokenizer
        self._tidies = bool(getattr(tokenizer, "clean_up_tokenization_spaces", False))
        self._skipped = frozenset(tokenizer.all_special_ids)
        added = getattr(tokenizer, "added_tokens_decoder", {})  # of reasoning, some are special tokens
        self._tags = {index: str(token) for index, token in added.items() if str(token) in _TAGS}
        self._window: list[int] = []
        self._settled = 0  # tokens at the window's start whose text was returned, and ends with a complete character
        self._shown = 0  # characters of the window's text that were returned

    def push(self, token: int) -> str:
        """Add `token`; returns the new text that is final."""
        if token in self._skipped:
            return self._tag(token)
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
        """Return the remaining text at the end of the reply, without an incomplete character."""
        text = self._decoded(self._window)
        rest = text[self._shown :]
        self._shown = len(text)
        return rest.rstrip(_REPLACEMENT)

    def _tag(self, token: int) -> str:
        """The text of a special token, behind what was held back: a tag of reasoning, else none."""
        if token not in self._tags:
            return ""
        rest = self.flush()
        self._window, self._settled, self._shown = [], 0, 0
        return rest + self._tags[token]

    def _safe(self, text: str) -> int:
        """The length of the part of `text` that no later token can change.

        No new text while it ends with an incomplete character: some tokenizers decode a whole run of bytes to U+FFFD
        while the last one is missing. After more tokens than a character can have, it is taken to be invalid.
        """
        half = len(text) - len(text.rstrip(_REPLACEMENT))
        if half:
            waiting = len(self._window) - self._settled <= _PATIENCE
            return self._shown if waiting else len(text) - min(half, _HALF)
        if self._tidies and (space := text.find(" ", max(0, len(text) - _TIDIED))) >= 0:
            return space
        return len(text)

    def _slide(self, start: int) -> None:
        """Drop the tokens before `start`; the rest is the context of the next tokens."""
        kept = self._window[start:]
        text = self._decoded(kept)
        if text:
            self._window, self._shown = kept, len(text)
        self._settled = len(self._window)

    def _decoded(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=True)
