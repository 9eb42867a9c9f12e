from __future__ import annotations

import pytest


@pytest.fixture
def piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """One piece of a prompt in each step, as where the model is slow."""
    monkeypatch.setattr("app.engine.torch.scheduler.PREFILL_BUDGET_S", 0.0)
