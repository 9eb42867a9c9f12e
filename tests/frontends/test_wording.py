"""Wording rules that a program can check, for the page and for the help of the command line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from app.cli.main import build
from tests.frontends.gradio.test_words import words

# Words that Parley once used for something that the field has a word for.
BANNED = re.compile(
    r"\b(mend|room|watchers?|stand-?ins?|graphics cards?|fetch\w*|sums?|told|brought|processors?|rewrit\w+ for|"
    r"laid over|goes on|ways? of loading|fine.tuning|copy for|q\w+ copy|difference to|here yet)\b",
    re.IGNORECASE,
)
OPTION = re.compile(r"--[\w-]+")
CHINESE = r"[\u4e00-\u9fff]"
MANIFESTS = Path(__file__).parents[2] / "model_store" / "manifests"


def commands(command: click.Command, name: str = "parley") -> Iterator[tuple[str, click.Command]]:
    yield name, command
    for child in getattr(command, "commands", {}).values():
        yield from commands(child, f"{name} {child.name}")


def helps() -> dict[str, str]:
    """Each command's help, and that of its options, under its name."""
    return {
        name: "\n".join([command.help or "", *(getattr(param, "help", None) or "" for param in command.params)])
        for name, command in commands(typer.main.get_command(build()))
    }


def descriptions() -> dict[str, tuple[str, str]]:
    """The English and Chinese description of each shipped model."""
    manifests = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in MANIFESTS.glob("*.toml")}
    return {name: (found["description"], found["translations"]["zh"]) for name, found in manifests.items()}


def test_the_page_uses_the_words_of_the_field() -> None:
    assert {key: text for key, text in words("en").items() if BANNED.search(text)} == {}


def test_the_command_line_uses_the_words_of_the_field() -> None:
    shown = helps()
    assert {"parley serve", "parley models pull", "parley db restore"} <= shown.keys()
    assert all(text.strip() for text in shown.values())
    assert {name: found.group() for name, text in shown.items() if (found := BANNED.search(OPTION.sub("", text)))} == {}


def test_descriptions_of_models_use_the_words_of_the_field() -> None:
    shown = descriptions()
    assert len(shown) > 20
    assert {name: english for name, (english, _) in shown.items() if BANNED.search(english)} == {}


def chinese() -> dict[str, str]:
    return words("zh") | {name: text for name, (_, text) in descriptions().items()}


@pytest.mark.parametrize(
    ("rule", "wrong"),
    [
        ("no space before an ellipsis", r"\s……"),
        ("an ellipsis is two characters", r"(?<!…)…(?!…)|\.\.\."),
        ("full-width punctuation", rf"{CHINESE}[,.?!;]|[,?!;]{CHINESE}|{CHINESE}\(|\){CHINESE}"),
        ("a space between Chinese and Latin letters or digits", rf"{CHINESE}[A-Za-z0-9]|[A-Za-z0-9]{CHINESE}"),
        ("no space at full-width punctuation", r"\s[，。？！；：、（）“”]|[，。？！；：、（）“”]\s"),
    ],
)
def test_chinese_typography(rule: str, wrong: str) -> None:
    reference = re.compile(r"作者/名称(:文件\.gguf)?")  # how to write a model's name, not a sentence
    texts = {key: reference.sub("A", text) for key, text in chinese().items()}
    assert {key: text for key, text in texts.items() if re.search(wrong, text)} == {}, rule


def test_english_ellipses_follow_the_word() -> None:
    assert {key: text for key, text in words("en").items() if re.search(r"\s…|\.\.\.", text)} == {}
