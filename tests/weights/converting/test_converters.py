"""An architecture to convert is one new file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gguf
import pytest

from app.errors import InvalidImport
from app.weights.converting import model_types
from app.weights.converting.converter import converter_for, converter_for_gguf
from app.weights.converting.model_types import convertible

NEW = """
import gguf

from app.weights.converting.model_types.qwen2 import Qwen2


class Toy(Qwen2):
    architecture = gguf.MODEL_ARCH.GPTNEOX


CONVERTER = Toy()
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "toy_for_tests.py").write_text(NEW)
    monkeypatch.setattr(model_types, "__path__", [*model_types.__path__, str(tmp_path)])
    convertible.cache_clear()
    yield
    convertible.cache_clear()


@pytest.mark.usefixtures("toy")
def test_a_new_file_is_a_converter() -> None:
    assert "toy_for_tests" in convertible()
    found = converter_for({"model_type": "toy_for_tests"})
    assert found.architecture is gguf.MODEL_ARCH.GPTNEOX
    assert converter_for_gguf("gptneox") is found


def test_those_that_are_shipped() -> None:
    assert convertible() == {"bloom", "llama", "mistral", "qwen2", "qwen3"}
    for kind in convertible():
        assert converter_for({"model_type": kind})
    with pytest.raises(InvalidImport, match="bloom, llama, mistral, qwen2, qwen3 can"):
        converter_for({"model_type": "toy_for_tests"})
    assert converter_for_gguf("gptneox") is None
