"""Checks the page's scripts with Node.js: parses each as a module and runs their unit tests."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MIN_NODE = 20  # the first with Array.toSpliced, which all current browsers have
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


def check_page_scripts() -> int:
    """Run all checks; returns the exit code, which is 0 if they are skipped without a recent Node.js."""
    node = find_node()
    return 0 if node is None else parse_scripts(node) or run_unit_tests(node)


def find_node() -> str | None:
    """The path of Node.js, or None after printing the reason."""
    path = shutil.which("node")
    if path is None:
        print("skipped: Node.js is not installed")
        return None
    version = subprocess.run([path, "--version"], check=False, capture_output=True, text=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0] or 0) < MIN_NODE:
        print(f"skipped: Node.js {version} is too old, {MIN_NODE} is needed")
        return None
    return path


def parse_scripts(node: str) -> int:
    """Parse every script of the page; print syntax errors with the file's name."""
    scripts = [str(path) for path in sorted((ROOT / "frontends").rglob("*.js"))]
    flags = ["--experimental-vm-modules", "--no-warnings", "--input-type=module"]
    return subprocess.run([node, *flags, "--eval", PARSE, *scripts], cwd=ROOT, check=False).returncode


def run_unit_tests(node: str) -> int:
    """Run tests/page; print the output if a test fails."""
    tests = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests" / "page").glob("*.test.js"))]
    command = [node, "--test", "--test-reporter=spec", *tests]
    result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    passed = re.search(r"pass (\d+)", result.stdout)
    print(f"{passed[1]} tests passed" if passed and not result.returncode else result.stdout + result.stderr)
    return result.returncode
