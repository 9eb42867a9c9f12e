"""Downloads a wheel with the user's own pip, which handles their index, proxy, certificates and passwords.

The wheel is never installed or imported. A requirement cannot be mistaken for an option (the manifest allows only
``name==version``, and it comes after ``--``), no shell is used, and pip is not imported from the working folder.

Resuming: pip (26.3 and older) starts in an empty temporary folder on each run, so a download interrupted by killing pip
or the machine is lost. pip 25.1 and newer resumes after a lost connection within one run (``--resume-retries``), and a
complete wheel is kept until it is unpacked.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from app.errors import FetchCancelled, FetchFailed

_POLL_S = 0.1
_PATIENCE_S = 3.0  # between terminating and killing pip
_RESUME_SINCE = (25, 1)
_MAX_LOG_BYTES = 200_000
_BROKEN = re.compile(r"connection broken by (.+)", re.IGNORECASE)
_OBJECT = re.compile(r"<[^<>]* at 0x[0-9a-f]+>: ")  # Python's repr of an object
_SECRET = re.compile(r"//[^/@\s]+@")  # user and password in a URL


def download_wheel(
    requirement: str, folder: Path, on_bytes: Callable[[int], None], cancelled: Callable[[], bool]
) -> Path:
    """Download the wheel of `requirement` to ``folder/whole.whl``, unless it exists; returns that path. **Blocks**.

    `on_bytes` receives the bytes downloaded so far. Raises :class:`FetchFailed`, :class:`FetchCancelled`.
    """
    whole = folder / "whole.whl"
    if whole.exists():
        return whole
    for left in folder.glob("try-*"):  # left by a killed process
        shutil.rmtree(left, ignore_errors=True)
    attempt = Path(tempfile.mkdtemp(prefix="try-", dir=folder))  # unique: an orphaned pip can't write into it
    try:
        _run(_command(requirement, attempt), attempt, on_bytes, cancelled)
        wheels = list((attempt / "done").glob("*.whl"))
        if len(wheels) != 1:
            raise FetchFailed(f"pip downloaded {len(wheels)} wheels for {requirement} instead of one.")
        return wheels[0].replace(whole)
    finally:
        shutil.rmtree(attempt, ignore_errors=True)


def _run(command: list[str], attempt: Path, on_bytes: Callable[[int], None], cancelled: Callable[[], bool]) -> None:
    work, log = attempt / "tmp", attempt / "pip.log"
    work.mkdir()
    with log.open("wb") as output:
        pip = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": str(work), "PIP_NO_INPUT": "1", "PYTHONIOENCODING": "utf-8"},
            start_new_session=True,  # Ctrl-C reaches only us, and we stop pip
        )
        try:
            while pip.poll() is None:
                if cancelled():
                    raise FetchCancelled("The download was cancelled.")
                on_bytes(arrived_bytes(attempt))
                time.sleep(_POLL_S)
        finally:
            _end(pip)
    if pip.returncode != 0:
        raise FetchFailed(
            f"pip could not download {command[-1]}. Its output: {_complaint(log)}",
            exit_code=pip.returncode,
            reason="pip",
            requirement=command[-1],
        )


def arrived_bytes(folder: Path) -> int:
    """Bytes downloaded so far in `folder`, where pip writes the wheel, and sometimes a copy of it."""
    largest = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                largest = max(largest, os.lstat(f"{parent}/{name}").st_size)
            except OSError:  # moved on
                continue
    return largest


def _command(requirement: str, attempt: Path) -> list[str]:
    try:
        pip_version = tuple(int(part) for part in re.findall(r"\d+", version("pip"))[:2])
    except PackageNotFoundError:
        raise FetchFailed(
            f"pip is missing from Parley's Python. Reinstall it with: {sys.executable} -m ensurepip --upgrade"
        ) from None
    resume = ["--resume-retries", "10"] if pip_version >= _RESUME_SINCE else []
    return [
        *(sys.executable, "-P", "-m", "pip", "download"),  # -P: don't import from the working folder
        *("--no-deps", "--only-binary", ":all:", "--no-input", "--progress-bar", "off"),
        *("--disable-pip-version-check", *resume),
        *("--dest", str(attempt / "done"), "--", requirement),
    ]


def _end(pip: subprocess.Popen[bytes]) -> None:
    if pip.poll() is not None:
        return
    pip.terminate()
    try:
        pip.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        pip.kill()
        pip.wait()


def _complaint(log: Path) -> str:
    """The most informative line of pip's output, without passwords."""
    with log.open("rb") as file:
        lines = file.read(_MAX_LOG_BYTES).decode("utf-8", "replace").splitlines()
    lines = [line.strip() for line in lines if line.strip()]
    broken = [match[1] for line in lines if (match := _BROKEN.search(line))]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    best = (broken[-1:] or errors[:1] or lines[-1:] or ["nothing at all"])[0]
    return _SECRET.sub("//***@", _OBJECT.sub("", best))[:300].rstrip(".") + "."
