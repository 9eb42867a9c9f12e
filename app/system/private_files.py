"""Files and folders that other accounts of the machine can't read: modes 0600 and 0700, whatever the umask."""

from __future__ import annotations

import os
import stat
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def create_file(path: Path) -> None:
    """Create an empty private file if there is none; an existing one is made private."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
    restrict(path)


def create_folder(path: Path) -> None:
    """Create a private folder if there is none. Missing parents get the usual mode, existing ones keep theirs."""
    path.mkdir(FOLDER_MODE, parents=True, exist_ok=True)


def restrict(path: Path) -> bool:
    """Take all permissions from everyone but the owner; whether anything changed.

    Links are not followed. A file of another account, or on a disk that is read-only or has no permissions, stays as
    it is.
    """
    try:
        mode = stat.S_IMODE(path.lstat().st_mode)
        if path.is_symlink() or not mode & 0o077:
            return False
        path.chmod(mode & ~0o077)
    except OSError:
        return False
    return True
