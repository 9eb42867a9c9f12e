"""The probabilities of tokens as OpenAI's API tells them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.domain.generation import TokenChance

_LEAST = -9999.0  # what OpenAI tells of a token that hardly ever comes; JSON has no infinity


def logprobs_json(chances: Sequence[TokenChance]) -> dict[str, Any]:
    """The ``logprobs`` of a choice, or of a chunk."""
    return {"content": [_place(chance) for chance in chances], "refusal": None}


def _place(chance: TokenChance) -> dict[str, Any]:
    return _token(chance) | {"top_logprobs": [_token(other) for other in chance.likeliest]}


def _token(chance: TokenChance) -> dict[str, Any]:
    """A token; one that is a part of a character is written with escapes, and whole in its bytes."""
    text = chance.text.decode(errors="backslashreplace")
    return {"token": text, "logprob": max(_LEAST, chance.logprob), "bytes": list(chance.text)}
