"""The library that trainers read these files with reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from app.export.files import Filters, write_file

from app.export.base import get_format

from .rated import rated_conversation


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", ["trl_unpaired", "trl_pairs"])
def test_datasets_reads_it(name: str, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the extra `train` is not installed")
    path = tmp_path / "rows.jsonl"
    manifest = write_file(path, get_format(name), [rated_conversation()], Filters())
    loaded = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.num_rows == manifest["rows"]
    assert loaded[0]["prompt"][-1] == {"role": "user", "content": "泡绿茶用多热的水？"}
