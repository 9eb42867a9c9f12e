"""Two published forms from the import to both engines' answers; ``tests.torch.published_table`` has them all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra torch")
pytest.importorskip("xllamacpp", reason="needs the extra llama")

from tests.support.published import Published, alpaca, belle
from tests.torch.published_table import PROMPTS, compare


@pytest.mark.parametrize(("make", "log_tolerance"), [(alpaca, 1e-4), (belle, 1e-3)])
def test_it_answers_as_the_original(make: Callable[[Path], Published], log_tolerance: float, tmp_path: Path) -> None:
    """llama.cpp looks BLOOM's activation up in a table of half precision, hence its wider tolerance."""
    row = compare(make(tmp_path), tmp_path / "store")
    assert row.logits < 1e-5
    assert (row.torch_texts, row.llama_cpp_texts) == (0, 0)
    assert (row.f32.off < log_tolerance, row.f32.same) == (True, len(PROMPTS))
    assert row.f16.off < 0.03
    assert row.f16.same == len(PROMPTS) or row.f16.gap < 0.05
