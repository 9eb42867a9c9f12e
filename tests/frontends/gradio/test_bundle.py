"""Bundling: what a browser would do with the modules, the bundle does too; what isn't understood is refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from frontends.gradio.bundle import BundleError, bundle_scripts, bundle_styles
from frontends.gradio.static_files import STATIC, STYLES, PageFiles

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def node(script: str, *arguments: str) -> str:
    """What Node.js prints when it runs `script` as a module."""
    assert NODE is not None
    command = [NODE, "--input-type=module", *arguments]
    result = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


MODULES = {
    "main.js": """/** Says all. */
import { Counter, start as begin } from "./parts/counter.js";
import {
  hello,
  LANGUAGE,
} from "./words.js";

const counter = new Counter(begin());
console.log(hello("you"), LANGUAGE, counter.next(), counter.next());
counter.later().then(console.log);
""",
    "parts/counter.js": """import { LANGUAGE } from "../words.js";
console.log("counter runs once, after words");
const step = 1; // a name that another module has too
export class Counter {
  #at;
  constructor(at) { this.#at = at; }
  next() { return (this.#at += step); }
  async later() { return `${LANGUAGE} ${await after()}`; }
}
export function start() { return 41; }
export async function after() { return "later"; }
""",
    "words.js": """console.log("words run first");
const step = "not the counter's";
/** @param {import("./parts/counter.js").Counter} counter */
export function hello(name) { return `hello ${name}${step.length}`; }
export const LANGUAGE = "en";
export function* unused() { yield 1; }
""",
    "alone.js": "throw new Error('nothing imports this');\n",
}


@needs_node
def test_a_bundle_does_what_its_modules_do(tmp_path: Path) -> None:
    said = node(bundle_scripts(write(tmp_path, MODULES), "main.js"))
    assert said.splitlines() == [
        "words run first",
        "counter runs once, after words",
        "hello you17 en 42 43",
        "en later",
    ]


@pytest.mark.parametrize(
    "line",
    [
        'import thing from "./b.js";',
        'import * as b from "./b.js";',
        'import "./b.js";',
        "import { a } from './b.js';",
        'import { a } from "elsewhere";',
        "export default 1;",
        "export { a };",
        "export let a = 1;",
        'export * from "./b.js";',
        "const b = await import('./b.js');",
        "console.log(import.meta.url);",
    ],
)
def test_other_forms_are_refused(tmp_path: Path, line: str) -> None:
    write(tmp_path, {"main.js": f"const x = 1;\n{line}\n", "b.js": "export const a = 1;\n"})
    with pytest.raises(BundleError, match=r"main\.js: this form"):
        bundle_scripts(tmp_path, "main.js")


def test_cycles_are_refused_and_shown(tmp_path: Path) -> None:
    files = {name: f'import {{ x }} from "./{other}.js";\nexport const x = 1;\n' for name, other in ("ab", "bc", "ca")}
    write(tmp_path, {f"{name}.js": text for name, text in files.items()})
    with pytest.raises(BundleError, match=r"a\.js → b\.js → c\.js → a\.js"):
        bundle_scripts(tmp_path, "a.js")


def test_names_and_files_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"main.js": 'import { a, gone } from "./b.js";\n', "b.js": "export const a = 1;\n"})
    with pytest.raises(BundleError, match=r"main\.js: b\.js does not export gone"):
        bundle_scripts(tmp_path, "main.js")
    write(tmp_path, {"main.js": 'import { a } from "./c.js";\n'})
    with pytest.raises(BundleError, match=r"c\.js: No such file"):
        bundle_scripts(tmp_path, "main.js")


def test_sheets_keep_their_order_and_hold_nothing_relative() -> None:
    assert bundle_styles([("a", "p {}"), ("b", "q { background: url(data:image/png;base64,AA) }")]).split() == [
        *("/*", "a", "*/", "p", "{}", "/*", "b", "*/", "q", "{", "background:", "url(data:image/png;base64,AA)", "}"),
    ]
    for text in ('@import "x.css";', "p { background: url(x.png) }", 'p { background: url("../x.png") }'):
        with pytest.raises(BundleError, match=r"^a: not supported"):
            bundle_styles([("a", text)])


# --- the page's own files ------------------------------------------------------------------------------


def test_every_script_and_every_sheet_of_the_page_is_in_its_bundle() -> None:
    scripts = sorted(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.js"))
    bundle = bundle_scripts(STATIC, "main.js")
    assert [name for name in scripts if f"// {name}\n" not in bundle] == []
    assert len(scripts) > 40
    sheets = {path.relative_to(STATIC).with_suffix("").as_posix() for path in STATIC.rglob("*.css")}
    assert sheets == {name for name in STYLES if "/" in name}


@needs_node
def test_the_pages_bundle_is_a_valid_module() -> None:
    node(bundle_scripts(STATIC, "main.js"), "--check")


def test_names_follow_the_content() -> None:
    assert PageFiles().script == PageFiles().script
    assert PageFiles().script != PageFiles().styles
