"""Every check of `make test`, one after the other; stops at the first that fails.

Runs in `.venv`. Arguments go to pytest: `make test ARGS="tests/store -x"`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"
OLDEST_NODE = 20  # the first with Array.toSpliced, which every browser of today has
PARSE = """
import { readFileSync } from "node:fs";
import { SourceTextModule } from "node:vm";
for (const path of process.argv.slice(1)) {
  try {
    new SourceTextModule(readFileSync(path, "utf8"), { identifier: path });
  } catch (error) {
    console.error(`${path}: ${error.message}`);
    process.exitCode = 1;
  }
}
"""


def command(*parts: str) -> Callable[[], int]:
    """A check that is one program of `.venv`."""
    return lambda: subprocess.run([BIN / parts[0], *parts[1:]], cwd=ROOT, check=False).returncode


def node() -> str | None:
    """Where Node.js is; None, and a line that says why, where there is none that knows all that the page uses."""
    path = shutil.which("node")
    if path is None:
        print("skipped: Node.js is not installed")
        return None
    version = subprocess.run([path, "--version"], check=False, capture_output=True, text=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0] or 0) < OLDEST_NODE:
        print(f"skipped: Node.js {version} is too old, {OLDEST_NODE} is needed")
        return None
    return path


def page_scripts() -> int:
    """Read every script of the page as the module that it is, then run the tests of their logic."""
    path = node()
    return 0 if path is None else scripts_parse(path) or scripts_work(path)


def scripts_parse(node: str) -> int:
    """Parse every script as a module; those that are none are named with their mistake."""
    scripts = [str(path) for path in sorted((ROOT / "frontends").rglob("*.js"))]
    flags = ["--experimental-vm-modules", "--no-warnings", "--input-type=module"]
    return subprocess.run([node, *flags, "--eval", PARSE, *scripts], cwd=ROOT, check=False).returncode


def scripts_work(node: str) -> int:
    """Run the unit tests of the scripts; what they say is shown when one fails."""
    tests = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests" / "page").glob("*.test.js"))]
    command = [node, "--test", "--test-reporter=spec", *tests]
    result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    passed = re.search(r"pass (\d+)", result.stdout)
    print(f"{passed[1]} tests passed" if passed and not result.returncode else result.stdout + result.stderr)
    return result.returncode


def main(pytest_arguments: list[str]) -> int:
    """Run the checks in order; the exit code of the first that fails."""
    checks = {
        "lint": command("ruff", "check", "."),
        "format": command("ruff", "format", "--check", "."),
        "types": command("mypy"),
        "layers": command("lint-imports", "--no-logo"),
        "page scripts": page_scripts,
        "tests": command("pytest", *pytest_arguments),
    }
    started = time.monotonic()
    for name, check in checks.items():
        print(f"── {name}", flush=True)
        since = time.monotonic()
        code = check()
        print(f"── {name}: {'failed' if code else 'passed'} in {time.monotonic() - since:.1f} s\n", flush=True)
        if code:
            return code
    print(f"All checks passed in {time.monotonic() - started:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
