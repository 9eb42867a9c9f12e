"""Bundles the page's ES modules into one script and its style sheets into one sheet: two requests for a browser.

Each module becomes a function that is called once, after the modules that it imports::

    const module2 = (() => {
    const { h, svg: draw } = module0;
    …the module's own text…
    return { icon };
    })();

It supports only the forms that our scripts use, each at the beginning of a line::

    import { a, b as c } from "./other.js";        export function f() {    export class C {
    export async function g() {                    export const x = 1;

Other forms, import cycles and imports of names that are not exported raise :class:`BundleError` when the server starts.
Top-level `await` is not possible; a test has Node.js check the bundle's syntax.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*"(\.{1,2}/[^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:(?:async )?function\*?|class|const) (\w+)\b)", re.MULTILINE)
_OTHER_FORM = re.compile(
    r"^(?:import|export)\b.*"
    r"|^(?!\s*(?:\*|//|/\*)).*\bimport\s*[.(].*",  # import.meta and import(…), which JSDoc types may use
    re.MULTILINE,
)
_RELATIVE_STYLE = re.compile(r"@import\b.*|\burl\((?!\s*[\"']?(?:data:|/)).*")


class BundleError(Exception):
    """The page's files can't be bundled; the message names the file and the form."""


@dataclass(frozen=True, slots=True)
class _Module:
    """A parsed script."""

    imports: dict[str, dict[str, str]]  # path of the imported module → exported name → local name
    exports: list[str]
    text: str  # without import statements and the keyword `export`


def bundle_scripts(folder: Path, entry: str) -> str:
    """Bundle `entry` of `folder` and everything it imports into the text of one module without imports."""
    modules: dict[str, _Module] = {}
    order = _in_order(folder, entry, modules, ())
    names = {path: f"module{number}" for number, path in enumerate(order)}
    return "".join(_wrapped(path, modules, names) for path in order)


def bundle_styles(sheets: Sequence[tuple[str, str]]) -> str:
    """Concatenate style sheets (name, text). URLs relative to a sheet's own address raise :class:`BundleError`."""
    for name, text in sheets:
        if found := _RELATIVE_STYLE.search(text):
            raise BundleError(f"{name}: not supported in a bundled style sheet: {found[0]}")
    return "".join(f"/* {name} */\n{text}\n" for name, text in sheets)


def _in_order(folder: Path, path: str, modules: dict[str, _Module], importers: tuple[str, ...]) -> list[str]:
    """Paths in dependency order up to `path`, without those already in `modules`; adds the parsed ones to it."""
    if path in importers:
        raise BundleError(f"these scripts import each other: {' → '.join((*importers, path))}")
    if path in modules:
        return []
    module = _parsed(folder, path)
    before = [
        found for imported in module.imports for found in _in_order(folder, imported, modules, (*importers, path))
    ]
    modules[path] = module
    return [*before, path]


def _parsed(folder: Path, path: str) -> _Module:
    try:
        source = (folder / path).read_text(encoding="utf-8")
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from error
    imports: dict[str, dict[str, str]] = {}
    for names, other in _IMPORT.findall(source):
        imported = imports.setdefault(posixpath.normpath(posixpath.join(posixpath.dirname(path), other)), {})
        for name in filter(None, map(str.strip, names.split(","))):
            exported, _, local = name.partition(" as ")
            imported[exported.strip()] = local.strip() or exported.strip()
    text = _EXPORT.sub("", _IMPORT.sub("", source))
    if found := _OTHER_FORM.search(text):
        raise BundleError(f"{path}: this form of import or export is not supported: {found[0].strip()}")
    return _Module(imports, _EXPORT.findall(source), text.strip())


def _wrapped(path: str, modules: dict[str, _Module], names: dict[str, str]) -> str:
    module = modules[path]
    lines = [f"// {path}", f"const {names[path]} = (() => {{"]
    for other, imported in module.imports.items():
        if missing := imported.keys() - set(modules[other].exports):
            raise BundleError(f"{path}: {other} does not export {', '.join(sorted(missing))}")
        pairs = ", ".join(name if name == local else f"{name}: {local}" for name, local in imported.items())
        lines.append(f"const {{ {pairs} }} = {names[other]};")
    return "\n".join([*lines, module.text, f"return {{ {', '.join(module.exports)} }};", "})();", ""])
