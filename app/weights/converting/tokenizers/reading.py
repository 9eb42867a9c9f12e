"""Reads a model's vocabulary from the tokenizer files of its folder."""

from __future__ import annotations

from pathlib import Path

from app.errors import InvalidImport
from app.weights.converting.config import Config
from app.weights.converting.tokenizers import byte_level, spm
from app.weights.converting.tokenizers.settings import read_settings
from app.weights.converting.vocabulary import Vocabulary


def read_vocabulary(folder: Path, config: Config, rows: int) -> Vocabulary:
    """The vocabulary of the model in `folder`, whose embedding has `rows` rows.

    Raises :class:`InvalidImport` for a tokenizer that llama.cpp would not reproduce exactly, and
    :class:`DamagedWeights` for damaged files.
    """
    settings = read_settings(folder, config)
    if settings.is_byte_level:
        vocabulary = byte_level.read(settings)
    elif settings.has_sentencepiece:
        vocabulary = spm.read_model(settings)
    elif settings.tokenizer:
        vocabulary = spm.read_json(settings)
    else:
        raise InvalidImport(
            f"{folder.name} holds no tokenizer: neither tokenizer.model nor tokenizer.json. Add the model's own."
        )
    settings.complete(vocabulary, rows)
    return vocabulary
