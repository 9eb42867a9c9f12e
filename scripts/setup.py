"""Sets up what a make target needs in `.venv`, with progress messages.

    setup.py core       the core, for `make serve`
    setup.py torch      the core with PyTorch, for `make serve EXTRA=torch`
    setup.py dev        the above, training and the tools of `make test`
    setup.py programs   Chromium, Node.js, PostgreSQL, nginx and Caddy, which tests start

It needs only the standard library of Python 3.11. Later runs take no time, since a stamp file in `.venv` records the
folder and the pyproject.toml that were installed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"

REQUIREMENTS = {"core": "-e .", "torch": "-e .[torch]", "dev": "-e .[dev,train]"}
COVERED = {"core": ("core",), "torch": ("core", "torch"), "dev": ("core", "torch", "dev")}
WHAT_FOLLOWS = {
    "core": "Installing Parley into .venv: about 500 MB and half a minute, this first time only.",
    "torch": "Installing Parley with PyTorch into .venv: 2 GB, or 7 GB where pip chooses a build for GPUs.",
    "dev": "Installing Parley, PyTorch and its test tools into .venv: 2 GB or more, this first time only.",
}
# Debian package: names of its program.
TEST_PROGRAMS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "nodejs": ("node",),
    "postgresql": ("/usr/lib/postgresql/*/bin/initdb", "initdb"),
    "nginx-light": ("nginx",),
    "caddy": ("caddy",),
}

SERVICES = {"postgresql": "postgresql", "nginx-light": "nginx", "caddy": "caddy"}
POLICY = Path("/usr/sbin/policy-rc.d")  # Debian's packages ask it before they start a service


class SetupFailed(Exception):
    """Setup failed; the message says what the user has to do."""


def run(title: str, command: list[str]) -> None:
    """Run `command` with a progress line instead of its output, which is printed if it fails."""
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            while (code := _wait(process)) is None:
                _show(f"  {title} … {time.monotonic() - started:.0f} s", final=False)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        if code:
            output.seek(0)
            print(f"\n{output.read()}", file=sys.stderr)
            raise SetupFailed(f"That failed: {' '.join(command)}\nWhat it said stands above. Then run make again.")
    _show(f"  {title}: done in {time.monotonic() - started:.0f} s", final=True)


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    """The exit code, or None after a second without one."""
    try:
        return process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return None


def _show(line: str, *, final: bool) -> None:
    """Show progress on one line of a terminal; in a log, print only the final line."""
    if sys.stdout.isatty():
        print(f"\r{line}\x1b[K", end="\n" if final else "", flush=True)
    elif final:
        print(line, flush=True)


def install(level: str) -> None:
    """Install `level` into `.venv`, unless it is installed."""
    if _stamp(level) == _fingerprint() and VENV_PYTHON.exists():
        return
    if not _venv_is_usable():
        _create_venv()
    print(WHAT_FOLLOWS[level], flush=True)
    pip = [str(VENV_PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    run("pip", [*pip, *REQUIREMENTS[level].split()])
    for covered in COVERED[level]:
        _stamp_path(covered).write_text(_fingerprint(), encoding="utf-8")


def _venv_is_usable() -> bool:
    """Whether `.venv` works and was created in this folder, whose path its programs contain."""
    stamp = _stamp("core")
    if not VENV_PYTHON.exists() or (stamp and not stamp.startswith(f"{ROOT}\n")):
        return False
    return subprocess.run([VENV_PYTHON, "-m", "pip", "--version"], check=False, capture_output=True).returncode == 0


def _create_venv() -> None:
    """Create the virtual environment in place of an interrupted, moved or outdated one."""
    _require_venv_module()
    run("virtual environment", [sys.executable, "-m", "venv", "--clear", str(VENV)])


def _require_venv_module() -> None:
    """Install the venv module if it is missing: Debian and Ubuntu ship Python without it."""
    probe = [sys.executable, "-c", "import ensurepip, venv"]
    if subprocess.run(probe, check=False, capture_output=True).returncode == 0:
        return
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    print(f"This Python cannot make virtual environments: {package} is missing.", flush=True)
    apt_install(package)


def apt_install(*packages: str) -> None:
    """Install Debian packages as root; otherwise raise :class:`SetupFailed` with the command to run."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SetupFailed(f"Please run this, then make again:\n    sudo apt-get install {' '.join(packages)}")
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    run("package lists", ["apt-get", "update"])
    run(f"apt-get install {' '.join(packages)}", ["apt-get", "install", "-y", "--no-install-recommends", *packages])


def install_test_programs() -> None:
    """Install the programs that tests need beside Python. Without root those tests are skipped, with a message."""
    missing = [package for package, names in TEST_PROGRAMS.items() if not any(map(_is_there, names))]
    if not missing:
        return
    print(f"Installing {', '.join(missing)} for the tests: up to 500 MB.", flush=True)
    try:
        with _services_stay_off(missing):
            apt_install(*missing)
    except SetupFailed as failure:
        print(f"Without {', '.join(missing)}, some tests will be skipped. {failure}", flush=True)


@contextmanager
def _services_stay_off(packages: list[str]) -> Iterator[None]:
    """Packages installed meanwhile start no service, now or when the machine starts: tests start their own."""
    if os.geteuid() == 0 and not POLICY.exists():
        POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        POLICY.chmod(0o755)
        try:
            yield
        finally:
            POLICY.unlink()
    else:
        yield
    services = [SERVICES[package] for package in packages if package in SERVICES]
    if services and shutil.which("systemctl"):
        with suppress(OSError):
            subprocess.run(["systemctl", "disable", *services], check=False, capture_output=True)


def _is_there(program: str) -> bool:
    """Whether a program is installed, also where only root looks; ``*`` stands for a version."""
    if program.startswith("/"):
        return any(Path("/").glob(program.removeprefix("/")))
    return bool(shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin"))


def _stamp_path(level: str) -> Path:
    return VENV / f".parley-{level}"


def _stamp(level: str) -> str:
    """The stamp of the last installation of `level`."""
    path = _stamp_path(level)
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _fingerprint() -> str:
    """The stamp for this folder, since virtual environments can't be moved, and this pyproject.toml."""
    return f"{ROOT}\n{hashlib.sha256((ROOT / 'pyproject.toml').read_bytes()).hexdigest()}\n"


def main(arguments: list[str]) -> int:
    """Run the named steps; returns the exit code."""
    steps = {level: partial(install, level) for level in REQUIREMENTS} | {"programs": install_test_programs}
    if not arguments or not set(arguments) <= set(steps):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        for name in arguments:
            steps[name]()
    except SetupFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the next make goes on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
