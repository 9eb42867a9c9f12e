"""Makes what Parley has in a data folder private, also what an earlier version left readable for other accounts.

The folder itself may be the user's own, such as a home directory or /tmp. So it is made private only if it contains
nothing but Parley's files; in any other folder only these files are.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from app.errors import ConfigurationError
from app.system.private_files import create_folder, restrict

_PAGE_FOLDER = "page"
_JOBS_FOLDER = "jobs"  # logs, see app.jobs.logs
_DATASETS_FOLDER = "datasets"  # see app.feedback.datasets.shelf
_EXPORT_MANIFEST = ".manifest.json"  # next to each export, see app.feedback.datasets.export_file.manifest_path


def page_folder(data_dir: Path) -> Path:
    """A private folder for the temporary files of the page's framework, which by default shares one with everybody.

    It is below `data_dir`, or elsewhere where that can't be written: the chats can still be read in the page.
    """
    folder = data_dir / _PAGE_FOLDER
    try:
        create_folder(data_dir)
        create_folder(folder)
        restrict(folder)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="parley-page-"))
    return folder


def make_private(data_dir: Path, database: Path | None) -> list[Path]:
    """Make Parley's files below `data_dir`, and the SQLite database with its companions, private; what was changed."""
    data_dir = data_dir.resolve()
    backups = set((data_dir / "backups").glob("parley-*.db*"))
    ours = set(_exports(data_dir))
    logs = set((data_dir / _JOBS_FOLDER).glob("*.log"))
    if database is not None:
        ours.update(database.parent.glob(f"{database.name}*"))
    known = {data_dir / name for name in ("backups", _PAGE_FOLDER, _JOBS_FOLDER, _DATASETS_FOLDER)}
    folders = [(data_dir / "backups", backups), (data_dir / _JOBS_FOLDER, logs), (data_dir, ours | known)]
    if database is not None and database.parent != data_dir:
        folders.append((database.parent, ours))
    private = [folder for folder, content in folders if _holds_only(folder, content)]
    return [path for path in (*private, *sorted(backups | logs | ours)) if restrict(path)]


def require_own(database: Path) -> None:
    """Raise :class:`ConfigurationError` for a database that another account put into a folder open to everyone."""
    try:
        folder, file = database.parent.stat(), database.lstat()
    except OSError:
        return  # none yet
    if folder.st_mode & stat.S_IWOTH and file.st_uid != os.geteuid():
        raise ConfigurationError(
            f"{database} belongs to another account, and everyone can write to {database.parent}. Give Parley a "
            "folder of its own: PARLEY_DATA_DIR=other-folder"
        )


def _exports(folder: Path) -> Iterator[Path]:
    for manifest in folder.glob(f"*{_EXPORT_MANIFEST}"):
        yield manifest
        yield manifest.with_name(manifest.name.removesuffix(_EXPORT_MANIFEST))


def _holds_only(folder: Path, content: set[Path]) -> bool:
    try:
        shared = folder.stat().st_mode & stat.S_ISVTX or folder == Path.home().resolve()
        return not shared and set(folder.iterdir()) <= content
    except OSError:  # there is no such folder, or it isn't ours to read
        return False
