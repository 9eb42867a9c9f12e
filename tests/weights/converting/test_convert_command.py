"""``parley models quantize``: says what it made and how to use it; what is wrong is told, with the exit code for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from app.cli.models_quantize import quantize_model
from app.weights.formats.gguf import read_header
from tests.support.safetensors_files import write
from tests.support.sentencepiece_files import model
from tests.weights.converting.test_convert import CONFIG, tensors

SLOW = """
import time, typer
from app.cli.models_quantize import quantize_model
from app.weights.converting import tensors
real = tensors._Out.write
tensors._Out.write = lambda self, data: (time.sleep(0.05), real(self, data))[1]
app = typer.Typer()
app.command()(quantize_model)
app()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PARLEY_MODEL_STORE", str(tmp_path))
    found = tmp_path / "weights" / "tiny"
    write(found / "model.safetensors", tensors())
    (found / "config.json").write_text(json.dumps(CONFIG))
    (found / "tokenizer.model").write_bytes(model())
    return found


def run(*args: str) -> Result:
    app = typer.Typer()
    app.command()(quantize_model)
    return CliRunner().invoke(app, args)


def test_it_says_what_it_made(folder: Path) -> None:
    for to in ("q4_0", "q8_0"):  # the second beside the first
        result = run("tiny", "--to", to)
        assert result.exit_code == 0, result.output
        assert "tiny: converting to GGUF 100 %" in result.stdout or "converting to GGUF" in result.stdout
        assert f"tiny@{to}" in result.stdout
        assert read_header(folder / f"tiny-{to}.gguf").quantization == to.upper()


@pytest.mark.parametrize(
    ("args", "code", "reason"),
    [
        (("tinny",), 2, "Did you mean tiny"),
        (("tiny", "--to", "q2_k"), 2, "no format 'q2_k'"),
        (("smollm2-135m-instruct",), 1, "not downloaded yet"),
    ],
)
def test_what_can_not_be_done(args: tuple[str, ...], code: int, reason: str) -> None:
    result = run(*args)
    assert result.exit_code == code
    assert reason in result.stderr
    assert "Traceback" not in result.output


def test_an_architecture_that_is_not_known(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(CONFIG | {"model_type": "mamba"}))
    result = run("tiny")
    assert result.exit_code == 2
    assert "can't be converted for llama.cpp" in result.stderr


def test_a_gguf_model_is_none_to_rewrite(folder: Path) -> None:
    assert run("tiny").exit_code == 0
    alone = folder.parent / "alone.gguf"
    (folder / "tiny-q4_0.gguf").rename(alone)
    result = run("alone")
    assert result.exit_code == 2
    assert "nothing to convert" in result.stderr


def test_ctrl_c_stops_at_once_and_leaves_nothing(folder: Path) -> None:
    before = {path.name for path in folder.iterdir()}
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW, "tiny"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    assert child.stdout is not None
    assert "converting to GGUF" in child.stdout.readline()
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=20)
    assert child.returncode == 1
    assert errors == "Error: Cancelled.\n"
    assert {path.name for path in folder.iterdir()} == before
