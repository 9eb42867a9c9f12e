"""Reads a tokenizer's settings: special tokens, added tokens, chat templates, end-of-reply tokens.

They are spread over tokenizer_config.json, special_tokens_map.json, added_tokens.json, tokenizer.json,
chat_template.jinja and generation_config.json, which overlap; not every folder has them all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.errors import InvalidImport
from app.weights.converting.config import Config, as_list, as_table
from app.weights.converting.vocabulary import TokenType, Vocabulary
from app.weights.formats.checkpoint import damaged, inside

MODEL, FAST = "tokenizer.model", "tokenizer.json"

_MAX_FAST_BYTES = 64 << 20  # BLOOM's has 14 MB
_MAX_SMALL_BYTES = 8 << 20
_MAX_TEMPLATE_BYTES = 1 << 20
MOST_TOKENS = 1 << 22  # ten times the largest vocabularies
_ID = re.compile(r"[0-9]{1,8}")
_MARKS = ("bos", "eos", "unk")
_KINDS = (*_MARKS, "pad")
# llama.cpp recognizes these end-of-reply tokens by their text.
_KNOWN_ENDS = {"<|eot_id|>", "<|im_end|>", "<|end|>", "<|endoftext|>", "</s>", "<|eom_id|>", "<|end_of_text|>"}


@dataclass(frozen=True, slots=True)
class Settings:
    """The tokenizer settings of a folder."""

    folder: Path
    config: Config  # of the model
    tokenizer: Config  # tokenizer.json
    named: Mapping[str, str]  # "bos" → "<s>"; only those that are set
    special: frozenset[str]  # texts of tokens listed as special
    added: Mapping[int, tuple[str, bool]]  # id → (text, whether it is special)
    flags: Config  # tokenizer_config.json
    ends: tuple[int, ...]  # eos ids of generation_config.json or config.json
    templates: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_sentencepiece(self) -> bool:
        """Whether the folder has a SentencePiece model."""
        return (self.folder / MODEL).is_file()

    @property
    def is_byte_level(self) -> bool:
        """Whether tokenizer.json is byte-level BPE (LLaMA 3 also has a tokenizer.model, in another format)."""
        return "ByteLevel" in json.dumps(self.tokenizer.get("pre_tokenizer"))

    def complete(self, vocabulary: Vocabulary, rows: int) -> None:
        """Add special tokens, added tokens and templates to `vocabulary`, for every kind of tokenizer."""
        self._add_tokens(vocabulary, rows)
        vocabulary.fill(rows)
        ids = {text: i for i, text in enumerate(vocabulary.tokens)}
        marks = [self.named[kind] for kind in _MARKS if kind in self.named]
        unclear = len(set(marks)) < len(marks)  # early conversions of LLaMA have </s> for all of them
        for kind in _KINDS:
            found = ids.get(self.named.get(kind, ""))
            if found is not None and not (unclear and getattr(vocabulary, kind) is not None):
                setattr(vocabulary, kind, found)
        ends = [end for end in self.ends if end < rows]
        if vocabulary.eos is None:
            if not ends:
                raise InvalidImport(
                    f"{self.folder.name} does not say which token ends a reply. Add the model's tokenizer_config.json "
                    "or generation_config.json there."
                )
            vocabulary.eos = ends[0]
        if vocabulary.bos is None:  # llama.cpp's default would be token 11
            begin = self.config.get("bos_token_id")
            vocabulary.bos = begin if type(begin) is int and 0 <= begin < rows else vocabulary.eos
            vocabulary.add_bos = False
        vocabulary.more_ends = tuple(
            end for end in ends if end != vocabulary.eos and vocabulary.tokens[end] not in _KNOWN_ENDS
        )
        vocabulary.templates = dict(self.templates)

    def _add_tokens(self, vocabulary: Vocabulary, rows: int) -> None:
        """Add the added tokens at their ids; ids beyond the embedding can't be used and are skipped."""
        for token, (text, special) in sorted(self.added.items()):
            if token < rows:
                kind = TokenType.CONTROL if special or text in self.special else TokenType.USER_DEFINED
                known = token < len(vocabulary.types) and vocabulary.types[token] is TokenType.UNKNOWN
                vocabulary.add(token, text, TokenType.UNKNOWN if known else kind)
        present = set(vocabulary.tokens)
        for text in self.named.values():  # special, but without an id: appended
            if text not in present and len(vocabulary.tokens) < rows:
                vocabulary.add(len(vocabulary.tokens), text, TokenType.CONTROL)
                present.add(text)


def read_settings(folder: Path, config: Config) -> Settings:
    """Read all settings. Raises :class:`DamagedWeights` for a file that can't be read."""
    flags = _json(folder, "tokenizer_config.json", _MAX_SMALL_BYTES)
    named = {**_json(folder, "special_tokens_map.json", _MAX_SMALL_BYTES), **flags}
    tokenizer = _json(folder, FAST, _MAX_FAST_BYTES)
    texts = {kind: text for kind in _KINDS if (text := _text(named.get(f"{kind}_token")))}
    others = as_list(named.get("additional_special_tokens")) + as_list(named.get("extra_special_tokens"))
    special = {*texts.values(), *(_text(other) for other in others)} - {""}
    return Settings(
        folder=folder,
        config=config,
        tokenizer=tokenizer,
        named=texts,
        special=frozenset(special),
        added=_added(folder, tokenizer, flags),
        flags=flags,
        ends=_ends(folder, config),
        templates=_templates(folder, flags),
    )


def _added(folder: Path, tokenizer: Config, flags: Config) -> dict[int, tuple[str, bool]]:
    """Added tokens by id; tokenizer.json takes precedence, then tokenizer_config.json."""
    found: dict[int, tuple[str, bool]] = {}
    for text, token in _json(folder, "added_tokens.json", _MAX_SMALL_BYTES).items():
        if type(token) is int and 0 <= token < MOST_TOKENS:
            found[token] = (text, False)
    table = as_table(flags.get("added_tokens_decoder"))
    entries = [{**as_table(entry), "id": int(key)} for key, entry in table.items() if _ID.fullmatch(key)]
    for entry in map(as_table, [*entries, *as_list(tokenizer.get("added_tokens"))]):
        token, content = entry.get("id"), entry.get("content")
        if type(token) is not int or not 0 <= token < MOST_TOKENS or not isinstance(content, str) or not content:
            raise damaged(
                folder, "has an added token without an id or a text. Download its tokenizer files again.", FAST
            )
        found[token] = (content, bool(entry.get("special")))
    return found


def _ends(folder: Path, config: Config) -> tuple[int, ...]:
    for table in (_json(folder, "generation_config.json", _MAX_SMALL_BYTES), config):
        value = table.get("eos_token_id")
        values = value if isinstance(value, list) else [value]
        if found := tuple(one for one in values if type(one) is int and one >= 0):
            return found
    return ()


def _templates(folder: Path, flags: Config) -> dict[str, str]:
    """Chat templates by name; chat_template.jinja takes precedence over tokenizer_config.json."""
    if (folder / "chat_template.jinja").is_file():
        return {"default": _bytes(folder, "chat_template.jinja", _MAX_TEMPLATE_BYTES).decode("utf-8", "replace")}
    value = flags.get("chat_template")
    if isinstance(value, str):
        return {"default": value}
    entries = [as_table(entry) for entry in as_list(value)]
    return {str(one["name"]): str(one["template"]) for one in entries if "name" in one and "template" in one}


def _text(value: object) -> str:
    """A special token's text, stored as a string or as a table with its content."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else ""


def _json(folder: Path, name: str, most: int) -> dict[str, Any]:
    """The JSON table in a file of the folder; empty where there is no such file."""
    if not (folder / name).is_file():
        return {}
    try:
        value = json.loads(_bytes(folder, name, most).decode("utf-8"))
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # raises for lone surrogates
    except (ValueError, RecursionError) as err:
        raise damaged(folder, f"has a {name} that is not valid JSON. Download it again.", name) from err
    if not isinstance(value, dict):
        raise damaged(folder, f"has a {name} that is not a table. Download it again.", name)
    return value


def _bytes(folder: Path, name: str, most: int) -> bytes:
    with inside(folder, name).open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise damaged(folder, f"has a {name} of more than {most >> 20} MiB, which can't be right.", name)
    return data
