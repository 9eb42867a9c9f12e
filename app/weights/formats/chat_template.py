"""Reads a model's chat template, with size limits; it is never run here.

In a model's folder transformers stores it in ``chat_template.jinja``, else as ``chat_template`` in
``tokenizer_config.json`` (a text, or a list of ``{"name", "template"}`` of which ``default`` counts), else in
``chat_template.json``. In a GGUF file it is the text ``tokenizer.chat_template`` of the header.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.errors import DamagedWeights
from app.weights.formats.checkpoint import inside
from app.weights.formats.gguf import read_header

_MAX_TEMPLATE_BYTES = 1 << 20  # typical: some 10 KB
_MAX_CONFIG_BYTES = 16 << 20  # a tokenizer_config.json may list thousands of added tokens


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A template's text, and the special tokens defined by the files, such as ``bos_token`` → ``<s>``."""

    text: str
    special_tokens: Mapping[str, str] = field(default_factory=dict)


def read_template(weights: Path) -> ChatTemplate | None:
    """The template of a Hugging Face folder or a GGUF file; ``None`` where there is none.

    For a GGUF file, ``special_tokens`` is empty: it has only their ids. A ChatGLM folder's template is ignored: its
    tokenizer encodes role tokens that have no text form.
    Raises :class:`DamagedWeights` for a file that can't be read or is too large.
    """
    if not weights.is_dir():
        text = read_header(weights).chat_template
        return ChatTemplate(text) if text else None
    try:
        return _of_folder(weights)
    except OSError as err:
        raise DamagedWeights(
            f"The chat template of {weights.name} cannot be read: {err.strerror}.", file=weights.name
        ) from err
    except _Bad as bad:
        raise DamagedWeights(
            f"The chat template of {weights.name} cannot be read: {bad}. Download or import the model again, or fix "
            "the file.",
            file=weights.name,
        ) from bad


class _Bad(Exception):
    """The file is invalid; the message is the reason."""


def _of_folder(folder: Path) -> ChatTemplate | None:
    if _read_json(folder, "config.json").get("model_type") == "chatglm":
        return None
    config = _read_json(folder, "tokenizer_config.json")
    text = _read_text(folder, "chat_template.jinja", _MAX_TEMPLATE_BYTES)
    if text is None:
        text = _default(config.get("chat_template"))
    if text is None:
        text = _default(_read_json(folder, "chat_template.json").get("chat_template"))
    if not text:
        return None
    tokens = _special_tokens(_read_json(folder, "special_tokens_map.json")) | _special_tokens(config)
    return ChatTemplate(text, tokens)


def _default(value: object) -> str | None:
    """The default template among those in a file."""
    if isinstance(value, list):
        named = {entry.get("name"): entry.get("template") for entry in value if isinstance(entry, dict)}
        value = named.get("default")
    if value is not None and not isinstance(value, str):
        raise _Bad("its chat_template is neither text nor a list with an entry named default")
    if value is not None and len(value) > _MAX_TEMPLATE_BYTES:
        raise _Bad(f"it is {len(value)} characters long")
    return value


def _special_tokens(config: Mapping[str, Any]) -> dict[str, str]:
    """Entries such as ``"bos_token": "<s>"`` or ``"bos_token": {"content": "<s>", …}``."""
    tokens = {}
    for name, value in config.items():
        text = value.get("content") if isinstance(value, dict) else value
        if name.endswith("_token") and isinstance(text, str):
            tokens[name] = text
    return tokens


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    """The JSON object in a file; empty where there is no file."""
    text = _read_text(folder, name, _MAX_CONFIG_BYTES)
    try:
        value = {} if text is None else json.loads(text)
    except (ValueError, RecursionError) as err:
        raise _Bad(f"{name} is not JSON ({err})") from err
    if not isinstance(value, dict):
        raise _Bad(f"{name} is not a JSON object")
    return value


def _read_text(folder: Path, name: str, limit: int) -> str | None:
    if not os.path.lexists(folder / name):
        return None
    with inside(folder, name).open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise _Bad(f"{name} is larger than {limit >> 20} MiB")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise _Bad(f"{name} is not UTF-8") from None
