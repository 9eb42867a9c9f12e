"""The engine's slots over this architecture: prompts in pieces, then several replies at once, as the original's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("transformers", reason="the torch extra is not installed")

from app.engine.torch.adapters import Adapters  # noqa: E402
from app.engine.torch.slot_model import SlotModel  # noqa: E402
from tests.torch.chatglm2.golden import TOLERANCE, case_tensors, fresh  # noqa: E402

CASES = ["single_long", "batch_row0_alone", "batch_row1_alone"]


def read(model: SlotModel, slot: int, ids: list[int]) -> Any:
    reading = model.prefill(slot, ids, cached=0, prefix=0, positions=None, adapter=None, chunk=lambda: 50)
    while True:
        try:
            next(reading)
        except StopIteration as done:
            return done.value


def test_replies_decoded_together_are_the_originals() -> None:
    device = torch.device("cpu")
    its: Any = SimpleNamespace(model=fresh().eval(), device=device, dtype=torch.float32, adapters=Adapters())
    model = SlotModel(its, n_slots=4, context_tokens=256)
    replies, lengths = [], []
    with torch.inference_mode():
        for slot, case in enumerate(CASES):
            golden = case_tensors("base", case)
            logits = read(model, slot, golden["input_ids"][0].tolist())
            torch.testing.assert_close(logits, golden["logits"][:, -1], atol=TOLERANCE, rtol=0)
            replies.append([int(logits.argmax())])
            lengths.append(golden["input_ids"].shape[1])
        slots = list(range(len(CASES)))
        for _ in range(15):
            last = [reply[-1] for reply in replies]
            logits = model.decode(slots, last, lengths, [0] * len(slots), [None] * len(slots), None)
            lengths = [length + 1 for length in lengths]
            for reply, row in zip(replies, logits, strict=True):
                reply.append(int(row.argmax()))
    assert replies == [case_tensors("base", case)["greedy_cached"][0, :16].tolist() for case in CASES]
