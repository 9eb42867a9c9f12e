"""Reads and writes ``SHA256SUMS``, the checksums of the files in a model's folder, in the format of ``sha256sum``.

    sha256sum --check SHA256SUMS        verifies a folder by hand

One line per file: 64 hex digits, two spaces (or a space and ``*``), the path relative to the folder.
Format: https://www.gnu.org/software/coreutils/manual/html_node/md5sum-invocation.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from app.errors import DamagedWeights
from app.system.disk import replacing

CHECKSUM_FILE = "SHA256SUMS"

_LINE = re.compile(r"(?P<digest>[0-9a-fA-F]{64}) [ *](?P<path>[^\0]+)")
_MAX_BYTES = 1 << 20


def read_checksums(folder: Path) -> dict[str, str]:
    """The checksums by path, in lower case; empty where there is no such file.

    Raises :class:`DamagedWeights` for a file that can't be read or parsed, or names a path outside the folder.
    """
    path = folder / CHECKSUM_FILE
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise _damaged(folder, "is too long to be a checksum file")
        lines = raw.decode("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except OSError as err:
        raise _damaged(folder, f"can't be read ({err.strerror})") from err
    except UnicodeDecodeError as err:
        raise _damaged(folder, "is not UTF-8") from err
    checksums: dict[str, str] = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None or not _inside(match["path"]):
            raise _damaged(folder, f"has the line {line[:80]!r}, which is not a checksum and a file name")
        checksums[match["path"]] = match["digest"].lower()
    return checksums


def write_checksums(folder: Path, checksums: Mapping[str, str]) -> None:
    """Add or replace `checksums` (by path) in the folder's list, atomically.

    Raises :class:`DamagedWeights` when the existing list is invalid, ``ValueError`` for a path outside the folder or an
    invalid checksum, and ``OSError``.
    """
    both = read_checksums(folder) | {path: digest.lower() for path, digest in checksums.items()}
    lines = [f"{digest}  {path}" for path, digest in sorted(both.items())]
    for line, path in zip(lines, sorted(both), strict=True):
        if _LINE.fullmatch(line) is None or "\n" in path or not _inside(path):
            raise ValueError(f"{line!r} can't stand in {CHECKSUM_FILE}")
    with replacing(folder / CHECKSUM_FILE) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


def _inside(path: str) -> bool:
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts and "\\" not in path and path == str(pure)


def _damaged(folder: Path, problem: str) -> DamagedWeights:
    return DamagedWeights(
        f"{folder.name}: {CHECKSUM_FILE} {problem}. Download it again, or remove it.", file=CHECKSUM_FILE
    )
