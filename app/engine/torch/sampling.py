"""Samples the next token of each row of a batch, with each row's own parameters.

The order is transformers': repetition penalty, temperature, top-k, top-p, min-p. Rows keep only as many candidates as
they need, so that a vocabulary of 130,000 is not sorted for each token.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from app.domain.sampling import SamplingParams

# Candidates for top-p without top-k: nearly always enough; otherwise the whole vocabulary is sorted.
_FIRST_CANDIDATES = 256

_COLDEST = 1e-4  # lower temperatures would overflow, and leave one token anyway
_HUGE = 1e30  # limit for logits divided by a repetition penalty near 0


class Row:
    """One sequence's sampling parameters, random generator, and tokens subject to the repetition penalty."""

    def __init__(self, params: SamplingParams, prompt: Iterable[int], eos_ids: Iterable[int]) -> None:
        self.params = params
        self.banned = sorted(eos_ids) if params.ignore_eos else []
        self._penalised = params.repetition_penalty != 1.0
        self._seen = set(prompt) if self._penalised else set()
        self._seen_ids = torch.tensor(sorted(self._seen), dtype=torch.long)
        self._chance = torch.Generator()
        if params.seed is None:
            self._chance.seed()
        else:
            self._chance.manual_seed(params.seed)

    def draw(self) -> float:
        """A random number, 0 ≤ u < 1."""
        return float(torch.rand((), generator=self._chance, dtype=torch.float64))

    def add(self, token: int) -> None:
        """Record a sampled token for the repetition penalty."""
        if self._penalised and token not in self._seen:
            self._seen.add(token)
            self._seen_ids = torch.cat([self._seen_ids, torch.tensor([token])])

    def adjust(self, logits: Tensor) -> None:
        """Adjust this row's `logits` [V] in place: suppress eos if it is ignored, apply the repetition penalty."""
        if self._penalised:
            ids = self._seen_ids.to(logits.device)
            scores = logits[ids]
            penalty = self.params.repetition_penalty
            logits[ids] = torch.where(scores < 0, scores * penalty, scores / penalty).clamp(max=_HUGE)
        if self.banned:
            logits[self.banned] = -torch.inf


def sample(logits: Tensor, rows: Sequence[Row]) -> list[int | None]:
    """Sample a token for each row of `logits` [b, V]; ``None`` for a row with NaN or +inf."""
    logits = logits.float()
    sound = logits.amax(-1).isfinite().tolist()
    if any(row.banned or row.params.repetition_penalty != 1.0 for row in rows):
        logits = logits.clone()
        for scores, row in zip(logits, rows, strict=True):
            row.adjust(scores)
    tokens: list[int | None] = [None] * len(rows)
    greedy = [n for n, row in enumerate(rows) if sound[n] and row.params.temperature == 0]
    for n, token in zip(greedy, _pick(logits, greedy).argmax(-1).tolist(), strict=True):
        tokens[n] = token
    for few in (True, False):
        drawn = [n for n, r in enumerate(rows) if sound[n] and r.params.temperature and bool(r.params.top_k) is few]
        if drawn:
            ids, weights = candidates(_pick(logits, drawn), [rows[n].params for n in drawn])
            chances = torch.tensor([rows[n].draw() for n in drawn], dtype=torch.float64)
            for n, token in zip(drawn, _draw(ids, weights, chances), strict=True):
                tokens[n] = token
    for row, chosen in zip(rows, tokens, strict=True):
        if chosen is not None:
            row.add(chosen)
    return tokens


def candidates(logits: Tensor, params: Sequence[SamplingParams]) -> tuple[Tensor, Tensor]:
    """Token ids [b, k], sorted by probability, and their probabilities after all filters, 0 where filtered out.

    Temperatures must be above 0. Either all rows have a top-k or none has.
    """
    device = logits.device
    scaled = logits / torch.tensor([max(p.temperature, _COLDEST) for p in params], device=device)[:, None]
    vocabulary = scaled.shape[-1]
    if params[0].top_k:
        top = scaled.topk(min(vocabulary, max(p.top_k for p in params)))
        sizes = torch.tensor([p.top_k for p in params], device=device)[:, None]
        scores = top.values.masked_fill(torch.arange(top.values.shape[-1], device=device) >= sizes, -torch.inf)
        return top.indices, _filtered(scores.softmax(-1), params)
    probabilities = scaled.softmax(-1)
    if all(p.top_p >= 1 for p in params):
        return torch.arange(vocabulary, device=device).expand_as(probabilities), _filtered(probabilities, params)
    wanted = torch.tensor([p.top_p for p in params], device=device)
    first = probabilities.topk(min(vocabulary, _FIRST_CANDIDATES))
    if bool((first.values.sum(-1) <= wanted).any()):
        first = probabilities.sort(-1, descending=True)
    return first.indices, _filtered(first.values, params)


def _filtered(probabilities: Tensor, params: Sequence[SamplingParams]) -> Tensor:
    """Apply top-p and min-p to `probabilities` [b, k], sorted if a row has a top-p below 1; renormalized to 1."""
    device = probabilities.device
    kept = probabilities
    if any(p.top_p < 1 for p in params):
        before = probabilities.cumsum(-1) - probabilities
        wanted = torch.tensor([p.top_p if p.top_p < 1 else 2.0 for p in params], device=device)[:, None]
        hidden = before >= wanted
        hidden[:, 0] = False
        kept = kept.masked_fill(hidden, 0.0)
    if any(p.min_p > 0 for p in params):
        least = torch.tensor([p.min_p for p in params], device=device)[:, None] * kept.amax(-1, keepdim=True)
        kept = kept.masked_fill(kept < least, 0.0)
    return kept / kept.sum(-1, keepdim=True)


def _draw(ids: Tensor, weights: Tensor, chances: Tensor) -> list[int]:
    """Draw one of `ids` [b, k] for each row by `weights`; `chances` [b] are uniform random numbers below 1."""
    steps = weights.double().cumsum(-1).cpu()
    # inverse CDF: the first cumulative weight above the number, so never a candidate of weight 0
    place = torch.searchsorted(steps, (chances * steps[:, -1])[:, None], right=True)
    return ids.cpu().gather(1, place.clamp(max=ids.shape[-1] - 1))[:, 0].tolist()


def _pick(logits: Tensor, rows: list[int]) -> Tensor:
    return logits if len(rows) == len(logits) else logits[rows]
