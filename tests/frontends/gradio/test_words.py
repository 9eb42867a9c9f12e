"""The page's words: both languages have every key, every error and every key that the scripts use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import app.errors
from app.chat.transfer.reading.report import Changed, LeftOut, Skipped
from app.domain.datasets import Stale
from app.domain.feedback import REASONS, RankingSource
from app.domain.training_rows import Drop, RowKind
from app.errors import ParleyError
from app.feedback.datasets.spec import SOURCES
from app.weights.fetching import hub_errors
from app.weights.progress import Phase
from frontends.gradio.static_files import STATIC

ENTRY = re.compile(r'^  "([\w.]+)": "((?:[^"\\]|\\.)*)",$', re.MULTILINE)
LITERAL = re.compile(r'"([a-z]+\.\w+)"')
TEMPLATE = re.compile(r"`([a-z]+\.\w*\$\{[^`]*)`")  # `picker.state_${…}`
PAGE_ERRORS = {
    "error.compare_needs_model",
    "error.compare_same_model",
    "error.unknown",
    "error.unreachable",
    "error.too_large",
}  # codes that the page makes itself


def word_file(language: str) -> str:
    return "".join(
        (STATIC / "i18n" / f"{name}{language}.js").read_text("utf-8")
        for name in ("", "account_", "datasets_", "feedback_", "hub_", "import_", "jobs_", "review_")
    )


def words(language: str) -> dict[str, str]:
    return dict(ENTRY.findall(word_file(language)))


def error_classes(root: type[ParleyError] = ParleyError) -> Iterator[type[ParleyError]]:
    yield root
    for below in root.__subclasses__():
        if below.__module__.startswith(app.errors.__name__):
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
        lines = word_file(language).splitlines()
        assert len(words(language)) == sum(line.startswith('  "') for line in lines)


def test_chinese_is_chinese() -> None:
    untranslated = {key for key, text in words("zh").items() if not re.search(r"[\u4e00-\u9fff]", text)}
    names = {f"settings.{key}" for name in ("top_p", "top_k", "min_p") for key in (f"set_{name}", f"{name}_label")}
    assert untranslated <= names | {"app.language", "judgement.and", "compare.named", "datasets.counted"}


def test_every_error_and_reason_has_words() -> None:
    codes = {f"error.{cls.code}" for cls in error_classes()}
    reasons = {f"rating.reason_{name}" for name in REASONS}
    assert len(codes) > 30
    sources = {f"judgement.{source.value}" for source in RankingSource}
    drops = {f"judgement.because_{drop.value}" for drop in Drop} | {f"judgement.row_{kind.value}" for kind in RowKind}
    drops |= {f"datasets.dropped_{drop.value}" for drop in Drop}
    drops |= {f"datasets.stale_{reason.value}" for reason in Stale} | {f"datasets.source_{name}" for name in SOURCES}
    assert codes | reasons | sources | drops <= words("en").keys()


def hub_reasons() -> set[str]:
    """Why a hub's files may not come."""
    kinds = {"wrong", *hub_errors._TEXTS} - {"disk"}
    sources = [path.read_text("utf-8") for path in Path(app.errors.__file__).parent.parent.rglob("*.py")]
    named = {reason for text in sources for reason in re.findall(r'reason ?= ?"(\w+)"', text)}
    assert len(kinds) > 12
    assert {"several", "reference", "slow", "room", "base"} <= named
    return kinds | named


def test_everything_that_a_hub_may_refuse_has_words() -> None:
    assert {f"error.hub_{reason}" for reason in hub_reasons()} <= words("en").keys()


def test_every_phase_has_words() -> None:
    assert {f"picker.phase_{phase}" for phase in get_args(Phase)} <= words("en").keys()


def test_everything_that_an_import_tells_has_words() -> None:
    kinds = {"left_out": LeftOut, "changed": Changed, "reason": Skipped}
    told = {f"imports.{name}_{reason}" for name, reasons in kinds.items() for reason in reasons}
    assert told <= words("en").keys()


def scripts() -> str:
    """All scripts but the words themselves."""
    return "".join(
        path.read_text("utf-8") for path in STATIC.rglob("*.js") if path.stem.split("_")[-1] not in ("en", "zh")
    )


def test_every_key_that_a_script_names_exists() -> None:
    groups = {key.split(".")[0] for key in words("en")}
    used = {key for key in LITERAL.findall(scripts()) if key.split(".")[0] in groups}
    assert len(used) > 120
    assert used <= words("en").keys()


def test_every_key_is_used() -> None:
    literals, templates = set(LITERAL.findall(scripts())), TEMPLATE.findall(scripts())
    made = [re.compile(r"\w+".join(map(re.escape, re.split(r"\$\{[^}]*\}", text)))) for text in templates]
    texts = {key for key in words("en") if not key.startswith("error.")}
    assert [key for key in texts - literals if not any(pattern.fullmatch(key) for pattern in made)] == []


def test_every_error_text_belongs_to_an_error() -> None:
    codes = {f"error.{cls.code}" for cls in error_classes()} | {f"error.hub_{reason}" for reason in hub_reasons()}
    assert {key for key in words("en") if key.startswith("error.")} <= codes | PAGE_ERRORS
