from __future__ import annotations

import sys
from pathlib import Path

import pytest

from app.domain.messages import Role, Turn
from app.errors import ConfigurationError
from app.families import load_families

USER, ASSISTANT, SYSTEM = Role.USER, Role.ASSISTANT, Role.SYSTEM
ONE = [Turn(USER, "Name a fruit.")]
CHAT = [Turn(USER, "Name a fruit."), Turn(ASSISTANT, "Apple."), Turn(USER, "Another.")]
BRIEF = Turn(SYSTEM, "Be brief.")


def rendered(family: str, turns: list[Turn]) -> str:
    render = load_families()[family].render
    assert render is not None
    return render(turns)


def test_all_families_are_found() -> None:
    families = load_families()
    assert set(families) >= {"native", "alpaca", "vicuna", "belle", "chatglm", "chatglm2", "chatglm3"}
    assert families["native"].render is None


def test_alpaca_without_input() -> None:
    assert rendered("alpaca", ONE) == (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n"
        "\n"
        "### Instruction:\n"
        "Name a fruit.\n"
        "\n"
        "### Response:"
    )


def test_alpaca_with_a_system_turn_as_input() -> None:
    assert rendered("alpaca", [BRIEF, *ONE]) == (
        "Below is an instruction that describes a task, paired with an input that provides further context. "
        "Write a response that appropriately completes the request.\n"
        "\n"
        "### Instruction:\n"
        "Name a fruit.\n"
        "\n"
        "### Input:\n"
        "Be brief.\n"
        "\n"
        "### Response:"
    )


def test_alpaca_with_earlier_turns_as_input() -> None:
    assert rendered("alpaca", [BRIEF, *CHAT]) == (
        "Below is an instruction that describes a task, paired with an input that provides further context. "
        "Write a response that appropriately completes the request.\n"
        "\n"
        "### Instruction:\n"
        "Another.\n"
        "\n"
        "### Input:\n"
        "Be brief.\n"
        "User: Name a fruit.\n"
        "Assistant: Apple.\n"
        "\n"
        "### Response:"
    )


def test_braces_in_a_text_stay_what_they_are() -> None:
    code = [Turn(USER, "Explain {input} and {0}."), Turn(ASSISTANT, "{instruction}"), Turn(USER, "{input}?")]
    prompt = rendered("alpaca", code)
    assert "### Instruction:\n{input}?\n" in prompt
    assert "User: Explain {input} and {0}.\nAssistant: {instruction}\n" in prompt


def test_vicuna() -> None:
    assert rendered("vicuna", ONE) == (
        "A chat between a curious user and an artificial intelligence assistant. "
        "The assistant gives helpful, detailed, and polite answers to the user's questions. "
        "USER: Name a fruit. ASSISTANT:"
    )


def test_vicuna_multi_turn() -> None:
    assert rendered("vicuna", CHAT) == (
        "A chat between a curious user and an artificial intelligence assistant. "
        "The assistant gives helpful, detailed, and polite answers to the user's questions. "
        "USER: Name a fruit. ASSISTANT: Apple.</s>USER: Another. ASSISTANT:"
    )


def test_vicuna_with_a_system_turn() -> None:
    assert rendered("vicuna", [BRIEF, *ONE]) == "Be brief. USER: Name a fruit. ASSISTANT:"


def test_belle() -> None:
    assert rendered("belle", [Turn(USER, "说一种水果。")]) == "Human: \n说一种水果。\n\nAssistant: \n"


def test_belle_multi_turn_with_a_system_turn() -> None:
    assert rendered("belle", [BRIEF, *CHAT]) == (
        "Be brief.\n\nHuman: \nName a fruit.\n\nAssistant: \nApple.\n\nHuman: \nAnother.\n\nAssistant: \n"
    )


def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **modules: str) -> tuple[list[str], str]:
    name = f"families_{tmp_path.name}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").touch()
    for module, code in modules.items():
        (folder / f"{module}.py").write_text(f"from app.families.base import Family\n{code}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return [str(folder)], name


def test_a_new_family_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, name = package(tmp_path, monkeypatch, extra='FAMILY = Family("extra", "Extra", None)')
    assert set(load_families(path, name)) == {"extra"}


def test_packages_beside_the_families_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, name = package(tmp_path, monkeypatch, extra='FAMILY = Family("extra", "Extra", None)')
    (Path(path[0]) / "architecture").mkdir()
    (Path(path[0]) / "architecture" / "__init__.py").write_text("raise ImportError('heavy')\n")
    assert set(load_families(path, name)) == {"extra"}


def test_a_double_name_fails_and_names_both_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twin = 'FAMILY = Family("twin", "Twin", None)'
    path, name = package(tmp_path, monkeypatch, one=twin, two=twin)
    with pytest.raises(ConfigurationError) as caught:
        load_families(path, name)
    assert "one.py" in caught.value.message
    assert "two.py" in caught.value.message


def test_a_file_without_a_family_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, name = package(tmp_path, monkeypatch, empty="FAMILY = None")
    with pytest.raises(ConfigurationError, match=r"empty\.py must define FAMILY"):
        load_families(path, name)
