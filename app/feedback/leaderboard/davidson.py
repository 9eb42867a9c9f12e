"""Bradley–Terry strengths with Davidson's ties and covariates, by penalized maximum likelihood.

With η = θ_left - θ_right + βᵀx, the outcomes left : tie : right have the odds e^(η/2) : e^δ : e^(-η/2) (R. R. Davidson,
"On extending the Bradley-Terry model to accommodate ties", JASA 65, 1970; with covariates as in his 1977 paper with
R. J. Beaver). So θ are log-odds among decided votes, and x, the position and the logarithm of the ratio of lengths,
shifts them. It is a multinomial logit, hence concave, and Newton's method finds its only maximum.

The penalty is a normal prior with standard deviation :data:`PRIOR_SD` on each parameter, which weighs less than half a
vote: it keeps a player finite that won or lost everything, and sets the average of each connected group to 0, because
the likelihood depends on differences only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.feedback.leaderboard.votes import Flags, Floats, Votes, sums

PRIOR_SD = 3.0  # log-odds: 521 points
MAX_LOG_RATIO = 3.0  # of lengths: beyond twenty times as long nothing more is concluded
_STEPS, _TOLERANCE = 60, 1e-9


@dataclass(frozen=True, slots=True)
class Design:
    """What the model knows of each vote. Parameters are in the order strengths, δ, covariates."""

    votes: Votes
    covariates: tuple[str, ...]  # "position", "length"
    x: Floats  # shape (covariates, n)

    @property
    def players(self) -> int:
        """How many strengths there are; the index of δ."""
        return len(self.votes.players)

    @property
    def size(self) -> int:
        """How many parameters there are."""
        return self.players + 1 + len(self.covariates)

    def subset(self, rows: Flags) -> Design:
        """The same parameters with some of the votes."""
        return Design(self.votes.subset(rows), self.covariates, self.x[:, rows])


@dataclass(frozen=True, slots=True)
class Probabilities:
    """Of each vote's outcomes, shape (n,)."""

    left: Floats
    tie: Floats
    right: Floats

    @property
    def expected(self) -> Floats:
        """The expectation of half the result (1, 0 or -1)."""
        return (self.left - self.right) / 2

    @property
    def variance(self) -> Floats:
        """The variance of half the result: a vote's information about a difference of strengths."""
        return (self.left + self.right) / 4 - self.expected**2


def design(votes: Votes, control: frozenset[str]) -> Design:
    """The covariates of `control` for which the votes have any variation."""
    ratio = np.log1p(votes.left_length) - np.log1p(votes.right_length)
    known = {
        "position": votes.position.astype(np.float64),
        "length": np.clip(ratio, -MAX_LOG_RATIO, MAX_LOG_RATIO),
    }
    names = tuple(name for name, x in known.items() if name in control and x.any())
    return Design(votes, names, np.array([known[name] for name in names]).reshape(len(names), len(votes)))


def fit(model: Design, start: Floats | None = None) -> Floats:
    """The parameters at the maximum of the penalized likelihood."""
    parameters = np.zeros(model.size) if start is None else start
    value = _objective(model, parameters)
    for _ in range(_STEPS):
        chances = probabilities(model, parameters)
        gradient = score_sum(model, *residuals(model, chances)) - parameters / PRIOR_SD**2
        step = np.linalg.solve(information(model, chances), gradient)
        size = 1.0
        while (reached := _objective(model, parameters + size * step)) < value and size > 1e-4:
            size /= 2  # far from the maximum a whole step can go too far
        parameters, value = parameters + size * step, reached
        if np.abs(step).max() < _TOLERANCE:
            break
    return parameters


def probabilities(model: Design, parameters: Floats) -> Probabilities:
    """The probabilities of the outcomes of each vote."""
    half, delta = _half_logit(model, parameters), parameters[model.players]
    top = np.maximum(np.abs(half), delta)
    left, tie, right = np.exp(half - top), np.exp(delta - top), np.exp(-half - top)
    total = left + tie + right
    return Probabilities(left / total, tie / total, right / total)


def residuals(model: Design, chances: Probabilities) -> tuple[Floats, Floats]:
    """What each vote says beyond the expectation: of half the result, and of being a tie; times its weight."""
    votes = model.votes
    return (
        votes.weight * (votes.result / 2 - chances.expected),
        votes.weight * ((votes.result == 0) - chances.tie),
    )


def score_sum(model: Design, of_difference: Floats, of_tie: Floats) -> Floats:
    """The gradient of the likelihood from the residuals of each vote."""
    return np.concatenate([_contrast(model, of_difference), [of_tie.sum()], model.x @ of_difference])


def information(model: Design, chances: Probabilities) -> Floats:
    """The negative second derivative of the penalized likelihood, shape (size, size)."""
    weight = model.votes.weight
    moments = quadratic_form(
        model,
        weight * chances.variance,
        -weight * chances.expected * chances.tie,
        weight * chances.tie * (1 - chances.tie),
    )
    return moments + np.eye(model.size) / PRIOR_SD**2


def quadratic_form(model: Design, differences: Floats, mixed: Floats, ties: Floats) -> Floats:
    """The sum over votes of a·zzᵀ + b·(zeᵀ + ezᵀ) + c·eeᵀ, where z is the derivative of η and e the one of δ."""
    votes, players = model.votes, model.players
    whole = np.zeros((model.size, model.size))
    pairs = votes.per_pair(differences)
    pairs = pairs + pairs.T
    whole[:players, :players] = np.diag(pairs.sum(axis=1)) - pairs
    whole[:players, players] = _contrast(model, mixed)
    whole[players, players] = ties.sum()
    for row, x in enumerate(model.x, start=players + 1):
        whole[:players, row] = _contrast(model, differences * x)
        whole[players, row] = mixed @ x
        whole[players + 1 :, row] = model.x @ (differences * x)
    upper = np.triu(whole)
    return upper + np.triu(whole, 1).T


def _contrast(model: Design, values: Floats) -> Floats:
    """The sum of a value of each vote over the votes of each player, negative where it is on the right."""
    votes = model.votes
    return sums(votes.left, values, model.players) - sums(votes.right, values, model.players)


def _half_logit(model: Design, parameters: Floats) -> Floats:
    strengths, effects = parameters[: model.players], parameters[model.players + 1 :]
    return (strengths[model.votes.left] - strengths[model.votes.right] + effects @ model.x) / 2


def _objective(model: Design, parameters: Floats) -> float:
    """The logarithm of the likelihood less the penalty."""
    half, delta = _half_logit(model, parameters), parameters[model.players]
    top = np.maximum(np.abs(half), delta)
    total = np.log(np.exp(half - top) + np.exp(delta - top) + np.exp(-half - top)) + top
    chosen = np.where(model.votes.result == 0, delta, model.votes.result * half)
    penalty = parameters @ parameters / (2 * PRIOR_SD**2)
    return float(model.votes.weight @ (chosen - total) - penalty)
