"""The probabilities of tokens in llama.cpp's events, and of which text they are.

https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md (``n_probs``). A character of several tokens is
one entry: llama.cpp sends whole characters only, with the probability of the last of their tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.domain.generation import DecodingOptions, TokenChance
from app.domain.token_chances import first_of


def n_probs(options: DecodingOptions) -> int:
    """How many tokens llama.cpp is to tell of at each place: with none it does not tell of the chosen one either."""
    return max(1, options.top_logprobs)


class HeldChances:
    """The tokens whose text has not been passed on yet."""

    def __init__(self, options: DecodingOptions) -> None:
        self._shown = options.top_logprobs
        self._held: list[TokenChance] = []

    def push(self, event: Mapping[str, Any]) -> None:
        """Take those of an event; most have none."""
        self._held += [self._chance(told) for told in event.get("completion_probabilities", ())]

    def take(self, text: str, *, is_all: bool) -> tuple[TokenChance, ...]:
        """Those of `text`, which is passed on; not `is_all`: a stop string follows."""
        taken, self._held = tuple(self._held) if is_all else first_of(self._held, text), []
        return taken

    def _chance(self, told: Mapping[str, Any]) -> TokenChance:
        likeliest = told["top_logprobs"][: self._shown]
        return TokenChance(
            bytes(told["bytes"]),
            told["logprob"],
            tuple(TokenChance(bytes(other["bytes"]), other["logprob"]) for other in likeliest),
        )
