"""The page's words: both languages have every key, every error and every key that the scripts use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import app.errors
from app.domain.feedback import REASONS
from app.errors import ParleyError
from app.weights.fetching import hub_errors
from app.weights.progress import Phase
from frontends.gradio.i18n import LANGUAGES
from frontends.gradio.static_files import STATIC

ENTRY = re.compile(r'^  "([\w.]+)": "((?:[^"\\]|\\.)*)",$', re.MULTILINE)
USED = re.compile(r'"((?:app|welcome|composer|settings|chat|message|rating|details|connection|sidebar|picker)\.\w+)"')


def words(language: str) -> dict[str, str]:
    return dict(ENTRY.findall((STATIC / "i18n" / f"{language}.js").read_text("utf-8")))


def error_classes(root: type[ParleyError] = ParleyError) -> Iterator[type[ParleyError]]:
    yield root
    for below in root.__subclasses__():
        if below.__module__ == app.errors.__name__:
            yield from error_classes(below)


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


def test_both_languages_have_the_same_keys_and_placeholders() -> None:
    english, chinese = words("en"), words("zh")
    assert len(english) > 150
    assert english.keys() == chinese.keys()
    assert {k: placeholders(v) for k, v in english.items()} == {k: placeholders(v) for k, v in chinese.items()}


def test_every_line_of_the_word_files_is_read_by_this_test() -> None:
    for language in ("en", "zh"):
        lines = (STATIC / "i18n" / f"{language}.js").read_text("utf-8").splitlines()
        assert len(words(language)) == sum(line.startswith('  "') for line in lines)


def test_chinese_is_chinese() -> None:
    untranslated = {key for key, text in words("zh").items() if not re.search(r"[\u4e00-\u9fff]", text)}
    assert untranslated <= {"settings.top_p", "settings.top_k", "settings.min_p", "app.language"}


def test_every_error_and_reason_has_words() -> None:
    codes = {f"error.{cls.code}" for cls in error_classes()}
    reasons = {f"rating.reason_{name}" for name in REASONS}
    assert len(codes) > 30
    assert codes | reasons <= words("en").keys()


def test_everything_that_a_hub_may_refuse_has_words() -> None:
    kinds = {"wrong", *hub_errors._TEXTS} - {"disk"}
    named = {
        reason
        for path in Path(hub_errors.__file__).parents[1].rglob("*.py")
        for reason in re.findall(r'reason="(\w+)"', path.read_text("utf-8"))
    }
    assert len(kinds) > 12
    assert {"several", "reference", "slow", "room", "base"} <= named
    assert {f"error.hub_{reason}" for reason in kinds | named} <= words("en").keys()


def test_every_phase_has_words() -> None:
    assert {f"picker.phase_{phase}" for phase in get_args(Phase)} <= words("en").keys()


def test_every_key_that_a_script_names_exists() -> None:
    used = {key for path in STATIC.rglob("*.js") for key in USED.findall(path.read_text("utf-8"))}
    assert len(used) > 80
    assert used <= words("en").keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_drawer_has_the_same_words_in_each_language(language: str) -> None:
    said, english = LANGUAGES[language], LANGUAGES["en"]
    assert said.keys() == english.keys()
    assert [placeholders(said[key]) for key in english] == [placeholders(text) for text in english.values()]
