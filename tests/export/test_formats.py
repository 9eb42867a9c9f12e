"""What each format writes, letter by letter."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from app.domain.training_rows import Drop, Drops
from app.errors import ConfigurationError, InvalidRequest
from app.export.base import Format, find_formats, get_format

from .rated import rated_conversation

PROMPT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "泡绿茶用多热的水？"}]
GOOD = [{"role": "assistant", "content": "八十度。🍵\n别用沸水。"}]
BAD = [{"role": "assistant", "content": 'Just "boil" it.'}]

GOLDEN = {
    "trl_unpaired": [
        {
            "prompt": PROMPT,
            "completion": GOOD,
            "label": True,
            "message_id": "C1M1",
            "conversation_id": "C1",
            "model_id": "smollm2-135m-instruct",
            "model_digest": "b179",
            "quantization": "Q4_1",
            "prompt_digest": "c0ffee",
            "seed": -1,
            "finish_reason": "stop",
            "rated_at": "2026-01-01T01:00:00.000+00:00",
            "votes_up": 1,
            "votes_down": 0,
            "score": 9,
            "reasons": "",
            "comment": "",
        },
        {
            "prompt": PROMPT,
            "completion": BAD,
            "label": False,
            "message_id": "C1M2",
            "conversation_id": "C1",
            "model_id": "other-model",
            "model_digest": "b179",
            "quantization": "Q4_1",
            "prompt_digest": "c0ffee",
            "seed": -1,
            "finish_reason": "stop",
            "rated_at": "2026-01-01T02:00:00.000+00:00",
            "votes_up": 0,
            "votes_down": 1,
            "score": 0,
            "reasons": "wrong,language",
            "comment": "Wrong, and not Chinese.",
        },
    ],
    "trl_pairs": [
        {
            "prompt": PROMPT,
            "chosen": GOOD,
            "rejected": BAD,
            "weight": 1.0,
            "source": "ratings",
            "votes_for": 2,
            "votes_against": 0,
            "conversation_id": "C1",
            "chosen_id": "C1M1",
            "rejected_id": "C1M2",
            "chosen_model_id": "smollm2-135m-instruct",
            "chosen_model_digest": "b179",
            "chosen_quantization": "Q4_1",
            "chosen_prompt_digest": "c0ffee",
            "chosen_seed": -1,
            "rejected_model_id": "other-model",
            "rejected_model_digest": "b179",
            "rejected_quantization": "Q4_1",
            "rejected_prompt_digest": "c0ffee",
            "rejected_seed": -1,
            "rated_at": "2026-01-01T02:00:00.000+00:00",
            "reasons": "wrong,language",
            "comment": "Wrong, and not Chinese.",
        }
    ],
}


def test_every_format_has_its_golden_rows() -> None:
    assert find_formats().keys() == GOLDEN.keys()


@pytest.mark.parametrize("name", GOLDEN)
def test_rows(name: str) -> None:
    drops = Drops()
    assert list(get_format(name).rows([rated_conversation()], drops)) == GOLDEN[name]
    assert drops == {Drop.UNFINISHED: 1}


@pytest.mark.parametrize("made", find_formats().values(), ids=lambda f: f.name)
def test_columns_are_safe_for_trainers(made: Format) -> None:
    rows = list(made.rows([rated_conversation(), rated_conversation("C2")], Drops()))
    for row in rows:
        assert not row.keys() & {"image", "images", "messages", "tools", "margin"}
        assert list(row) == list(rows[0])
        assert {k: type(v) for k, v in row.items()} == {k: type(v) for k, v in rows[0].items()}
        assert json.loads(json.dumps(row)) == row


def test_an_unknown_format_names_those_there_are() -> None:
    with pytest.raises(InvalidRequest, match="trl_pairs, trl_unpaired"):
        get_format("parquet")


def test_one_name_in_two_files_names_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "some_formats"
    package.mkdir()
    (package / "__init__.py").touch()
    for name in ("one", "two"):
        (package / f"{name}.py").write_text("from app.export.trl_pairs import FORMAT\n")
    monkeypatch.syspath_prepend(tmp_path)
    import some_formats  # type: ignore[import-not-found]

    try:
        with pytest.raises(ConfigurationError, match=r"trl_pairs: .*one\.py and .*two\.py"):
            find_formats(some_formats)
    finally:
        for name in [m for m in sys.modules if m.startswith("some_formats")]:
            del sys.modules[name]
