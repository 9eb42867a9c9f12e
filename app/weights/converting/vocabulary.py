"""A model's vocabulary in the form of GGUF."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum

import gguf

from app.errors import InvalidImport

_TEMPLATE = gguf.Keys.Tokenizer.CHAT_TEMPLATE
_UNFIT = re.compile(r"[^A-Za-z0-9]")  # characters not allowed in a key


class TokenType(IntEnum):
    """Token types, with the numbers of both SentencePiece and GGUF."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3  # written by templates, never matched in users' text
    USER_DEFINED = 4  # split off from a text before all other tokens
    UNUSED = 5
    BYTE = 6


@dataclass(slots=True)
class Vocabulary:
    """Tokens by id, and tokenization settings."""

    model: str  # "llama": SentencePiece's BPE; "gpt2": byte-level BPE
    tokens: list[str]
    types: list[TokenType]
    scores: list[float] = field(default_factory=list)  # for "llama": pairs with the highest score are merged first
    merges: list[str] = field(default_factory=list)  # for "gpt2": "left right", by priority
    pre: str = "default"  # the pre-tokenizer, by llama.cpp's name
    space_prefix: bool = False  # whether a space is added before a text
    bos: int | None = None
    eos: int | None = None
    unk: int | None = None
    pad: int | None = None
    more_ends: tuple[int, ...] = ()  # other tokens that end a reply
    add_bos: bool = False
    add_eos: bool = False
    templates: dict[str, str] = field(default_factory=dict)  # by name; the main one is "default"

    def describe(self, writer: gguf.GGUFWriter) -> None:
        """Write the vocabulary into a GGUF file's metadata."""
        writer.add_tokenizer_model(self.model)
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.types)
        if self.model == "llama":
            writer.add_token_scores(self.scores)
        else:
            writer.add_token_merges(self.merges)
        writer.add_add_space_prefix(self.space_prefix)
        writer.add_add_bos_token(self.add_bos)
        writer.add_add_eos_token(self.add_eos)
        for add, token in (
            (writer.add_bos_token_id, self.bos),
            (writer.add_eos_token_id, self.eos),
            (writer.add_unk_token_id, self.unk),
            (writer.add_pad_token_id, self.pad),
            *zip((writer.add_eot_token_id, writer.add_eom_token_id), self.more_ends, strict=False),
        ):
            if token is not None:
                add(token)
        for name, template in self.templates.items():
            usual = name == "default"
            writer.add_string(_TEMPLATE if usual else f"{_TEMPLATE}.{_UNFIT.sub('_', name)}", template)

    def add(self, token: int, text: str, kind: TokenType) -> None:
        """Set the token at an id; skipped ids are filled by :meth:`fill` later."""
        while len(self.tokens) <= token:
            self._append("", TokenType.UNUSED)
        self.tokens[token], self.types[token] = text, kind

    def fill(self, rows: int) -> None:
        """Add unused tokens up to `rows`, the embedding's size, which is often padded to a round number.

        Raises :class:`InvalidImport` for more tokens than rows, or duplicates.
        """
        if len(self.tokens) > rows:
            raise InvalidImport(
                f"The tokenizer has {len(self.tokens):,} tokens, but the model has {rows:,}. They don't belong "
                "together: download the tokenizer of exactly this model."
            )
        while len(self.tokens) < rows:
            self._append("", TokenType.UNUSED)
        taken = set(self.tokens)
        for i, text in enumerate(self.tokens):
            if not text:
                name = f"[PAD{i}]"
                self.tokens[i] = name if name not in taken else f"[PAD{i}]\u2063"
        if len(set(self.tokens)) != rows:
            raise InvalidImport("The tokenizer has the same token twice. Download the model's tokenizer files again.")

    def _append(self, text: str, kind: TokenType) -> None:
        self.tokens.append(text)
        self.types.append(kind)
        if self.model == "llama":
            self.scores.append(-1e9 if kind is TokenType.UNUSED else 0.0)
