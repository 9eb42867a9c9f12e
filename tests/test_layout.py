"""The rules of the house that neither ruff nor import-linter can check."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import errors
from app.config import Settings

ROOT = Path(__file__).parent.parent
CODE = ("app", "frontends", "model_store/manifests", "scripts", "benchmarks", "tests", "docs", "docker")
TEXT_SUFFIXES = {".py", ".js", ".css", ".html", ".toml", ".md", ".sh", ".yml", ".yaml"}
HEAVY = ("torch", "transformers", "gradio", "xllamacpp", "numpy", "pandas")

# Where an error that nobody foresaw is caught, because there is no one above who could: `file::function`.
OUTERMOST = {
    "app/chat/reply_task.py",
    "app/cli/__init__.py",
    "app/engine/torch/scheduler.py",
    "app/engine/torch/worker.py",
    "app/jobs/child.py",
    "app/jobs/runner.py",
    "app/store/writer.py",
    "app/weights/importing/safetensors_worker/stored.py",  # what torch trips over in bytes that nobody checked
}


def files(*folders: str, suffixes: set[str]) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in suffixes)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_importing_the_application_loads_nothing_heavy() -> None:
    script = "import json, sys, app.main; print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    loaded = json.loads(result.stdout)
    assert "fastapi" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_files_stay_small() -> None:
    lengths = {
        relative(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in files("app", "frontends", suffixes={".py", ".js", ".css"})
    }
    assert lengths
    assert {name: length for name, length in lengths.items() if length >= 350} == {}


def test_every_setting_is_documented_with_its_default() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `(PARLEY_\w+)` \| (?:`(.*?)`)? *\|", page, flags=re.MULTILINE))
    defaults = json.loads(Settings.model_construct().model_dump_json())
    expected = {
        f"PARLEY_{name.upper()}": value
        if isinstance(value, str)
        else ",".join(value)
        if isinstance(value, list)
        else json.dumps(value)
        for name, value in defaults.items()
    }
    assert documented == expected


def error_classes(base: type[errors.ParleyError] = errors.ParleyError) -> Iterator[type[errors.ParleyError]]:
    yield base
    for child in base.__subclasses__():
        yield from error_classes(child)


def test_every_error_has_a_code_of_its_own() -> None:
    classes = list(error_classes())
    assert [error.__name__ for error in classes if "code" not in vars(error)] == []
    assert len({error.code for error in classes}) == len(classes)


def test_the_drawn_error_tree_names_every_error() -> None:
    drawn = set(re.findall(r"(?:──|^ {4})\s?([A-Z]\w+)", errors.__doc__ or "", flags=re.MULTILINE))
    assert drawn == {error.__name__ for error in error_classes()}


def blind_handlers(source: str) -> list[int]:
    """Lines of handlers that take any error and do not raise it again."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ExceptHandler) and _takes_anything(node.type) and not _raises_again(node)
    ]


def _takes_anything(caught: ast.expr | None) -> bool:
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(name is None or ast.unparse(name) in {"Exception", "BaseException"} for name in names)


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


@pytest.mark.parametrize(
    ("caught", "blind"),
    [
        ("except:\n  pass", True),
        ("except Exception as e:\n  print(e)", True),
        ("except (OSError, BaseException):\n  pass", True),
        ("except BaseException:\n  print()\n  raise", False),
        ("except OSError:\n  pass", False),
    ],
)
def test_blind_handlers_are_seen(caught: str, blind: bool) -> None:
    assert bool(blind_handlers(f"try:\n  pass\n{caught}\n")) is blind


def test_unforeseen_errors_are_caught_at_the_outermost_places_only() -> None:
    found = {
        relative(path): lines
        for path in files("app", "frontends", suffixes={".py"})
        if (lines := blind_handlers(path.read_text(encoding="utf-8"))) and relative(path) not in OUTERMOST
    }
    assert found == {}


def test_nothing_names_the_machine_it_was_written_on() -> None:
    # Put together here, so that this file does not name them either.
    forbidden = re.compile("|".join(rf"(?<![\w.])/{name}/" for name in ("work", "root", "opt")) + r"|py" + r"pi\.org")
    top = [path for path in sorted(ROOT.iterdir()) if path.is_file() and path.name != ".git"]
    found = [
        f"{relative(path)}:{number}"
        for path in [*top, *files(*CODE, suffixes=TEXT_SUFFIXES)]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if forbidden.search(line)
    ]
    assert found == []


def drawn_paths(page: str) -> list[str]:
    """The paths in the tree that the README draws: a folder's contents are indented below it."""
    (tree,) = re.findall(r"## Layout\n+```\n(.*?)```", page, flags=re.DOTALL)
    paths, folder = [], ""
    for line in tree.splitlines():
        name = line.split()[0]
        if not line.startswith(" "):
            folder = name if name.endswith("/") else ""
        paths.append(name if name == folder else folder + name)
    return paths


def test_the_tree_in_the_readme_is_the_tree_on_disk() -> None:
    paths = drawn_paths((ROOT / "README.md").read_text(encoding="utf-8"))
    assert [path for path in paths if not (ROOT / path).exists()] == []
    drawn = {path.rstrip("/") for path in paths}
    modules = {relative(path) for path in (ROOT / "app").iterdir() if not path.name.startswith("_")}
    assert modules <= drawn
