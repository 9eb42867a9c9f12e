"""A fitted model with its uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from app.feedback.leaderboard import davidson
from app.feedback.leaderboard.davidson import Design, Probabilities
from app.feedback.leaderboard.result import Effect
from app.feedback.leaderboard.uncertainty import POINTWISE, Uncertainty, uncertainty
from app.feedback.leaderboard.votes import Floats, Votes

# The change of a covariate that `Effect.win_share` describes: first instead of second; twice as long.
_SHARE_AT = {"position": 1.0, "length": math.log(2)}


@dataclass(frozen=True, slots=True)
class Fitted:
    """The parameters at the maximum, what they say of each vote, and how far off they can be."""

    model: Design
    parameters: Floats
    chances: Probabilities
    uncertainty: Uncertainty

    @property
    def strengths(self) -> Floats:
        """Log-odds of each player against the average of its group, shape (players,)."""
        return self.parameters[: self.model.players]

    def effect(self, name: str) -> Effect | None:
        """The effect of a covariate; None if it isn't in the model."""
        if name not in self.model.covariates:
            return None
        row = self.model.covariates.index(name)
        parameter = self.model.players + 1 + row
        coefficient = float(self.parameters[parameter])
        contrast = np.zeros((1, self.model.size))
        contrast[0, parameter] = 1.0
        margin = POINTWISE * math.sqrt(float(self.uncertainty.variance(contrast)[0]))
        return Effect(
            coefficient=coefficient,
            low=coefficient - margin,
            high=coefficient + margin,
            win_share=1 / (1 + math.exp(-coefficient * _SHARE_AT[name])),
            votes=int(np.count_nonzero(self.model.x[row])),
        )


def fitted(votes: Votes, control: frozenset[str]) -> Fitted:
    """Fit the model with the covariates of `control`."""
    model = davidson.design(votes, control)
    parameters = davidson.fit(model)
    return Fitted(model, parameters, davidson.probabilities(model, parameters), uncertainty(model, parameters))
