"""A file's records, one at a time: of a JSON document, JSON Lines, or a zip archive of such files.

Only the record that is being read is in memory, whatever the size of the file. Nothing is unpacked to the disk: names
in an archive are only shown. Limits are checked while data is read, whatever the archive says about itself.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from app.chat.transfer.reading.report import Skipped
from app.chat.transfer.reading.text_stream import Broken, Readable, TextStream, TooLong
from app.errors import InvalidImport

MAX_RECORD_CHARS = 64 << 20  # parsed, a record takes several times as much memory
MAX_FILES = 100_000  # in an archive
UNPACKED_TIMES = 4  # the files of an archive may have this many times its largest allowed size
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")

_READ = re.compile(r".*\.(json|jsonl|ndjson)", re.IGNORECASE)
# What ChatGPT's and Claude's archives have beside the chats.
_NO_CHATS = frozenset(
    {"user.json", "users.json", "message_feedback.json", "model_comparisons.json", "shared_conversations.json"}
    | {"projects.json", "memories.json", "export_manifest.json", "shopping.json", "user_settings.json"}
    | {"manifest.json", "dataset_info.json"}  # beside the files of a dataset
)
_NO_ZIP = "This zip archive is damaged and can't be read. Export it again."
_NO_JSON = "This file is not JSON. Choose a chat exported as JSON, or a zip archive."
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, NotImplementedError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Record:
    """A value of the file `name`; "" if it is the only one."""

    value: object
    name: str = ""
    place: str = ""  # "#3": the third element of an array, or what begins in the third line
    array: int = 0  # the number of the array that it is an element of; 0: of none


@dataclass(frozen=True, slots=True)
class Unread:
    """Something of the file `name` that can't be read; `title` is its title or place."""

    reason: Skipped
    name: str = ""
    title: str = ""


def records(file: IO[bytes], max_bytes: int) -> Iterator[Record | Unread]:
    """The records of `file`, none of whose parts may be larger than `max_bytes`.

    Raises :class:`InvalidImport` for a file in which nothing can be read.
    """
    head = file.read(4)
    file.seek(0)
    if head in ZIP_MAGIC:
        yield from _unzipped(file, max_bytes)
    else:
        yield from _parsed(_text(file, max_bytes), "")


def _text(file: Readable, max_bytes: int) -> TextStream:
    return TextStream(file, min(max_bytes, MAX_RECORD_CHARS))


def _unzipped(file: IO[bytes], max_bytes: int) -> Iterator[Record | Unread]:
    try:
        archive = zipfile.ZipFile(file)
    except _UNREADABLE as err:
        raise InvalidImport(_NO_ZIP) from err
    with archive:
        entries = [entry for entry in archive.infolist() if _is_wanted(entry.filename)]
        if len(archive.infolist()) > MAX_FILES:
            raise InvalidImport(f"This archive has more than {MAX_FILES:,} files. Import it in parts.")
        if not entries:
            raise InvalidImport("There are no JSON files in this archive.")
        left = max_bytes * UNPACKED_TIMES
        for entry in sorted(entries, key=lambda entry: entry.filename):
            limit = min(max_bytes, left)
            name = PurePosixPath(entry.filename).name
            if entry.flag_bits & 1 or entry.file_size > limit:
                yield Unread(Skipped.ENCRYPTED if entry.flag_bits & 1 else Skipped.TOO_LARGE, name)
                continue
            unpacked = _Unpacked(archive, entry, limit)
            try:
                yield from _parsed(_text(unpacked, max_bytes), name)
            except (InvalidImport, _Unreadable):
                yield Unread(Skipped.BROKEN, name)
            left -= unpacked.read_bytes


def _is_wanted(path: str) -> bool:
    name = PurePosixPath(path).name
    is_hidden = name.startswith(".") or path.startswith("__MACOSX/")
    return _READ.fullmatch(name) is not None and not is_hidden and name not in _NO_CHATS


class _Unreadable(Exception):
    """The archive is damaged here, or its file is longer than it says."""


class _Unpacked:
    """A file of an archive, unpacked while it is read."""

    def __init__(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, max_bytes: int) -> None:
        self.read_bytes = 0
        self._archive, self._entry, self._max_bytes = archive, entry, max_bytes
        self._file: IO[bytes] | None = None

    def read(self, size: int, /) -> bytes:
        """The next bytes. Raises :class:`_Unreadable`."""
        try:
            self._file = self._file or self._archive.open(self._entry)
            piece = self._file.read(size)
        except _UNREADABLE as err:
            raise _Unreadable from err
        self.read_bytes += len(piece)
        if self.read_bytes > self._max_bytes:
            raise _Unreadable
        return piece


def _parsed(text: TextStream, name: str) -> Iterator[Record | Unread]:
    """The elements of arrays, the lines of JSON Lines, or the one value of a document."""
    if not text.skip_space():
        raise InvalidImport("This file is empty.")
    is_first, array = True, 0
    while text.skip_space():
        if text.next_char == "[":
            array += 1
            text.skip_char()
            yield from _elements(text, name, array, is_first=is_first)
        else:
            place = f"#{text.line}"
            try:
                yield Record(text.value(), name, place)
            except (Broken, TooLong) as err:
                goes_on = text.skip_line()
                if is_first and not goes_on and isinstance(err, Broken):
                    raise InvalidImport(_NO_JSON) from err
                yield _unread(err, name, place)
        is_first = False


def _elements(text: TextStream, name: str, array: int, *, is_first: bool) -> Iterator[Record | Unread]:
    """The elements of an array whose beginning has been read.

    After one that can't be read it goes on where a line begins with the next one; there is no other way to find it.
    """
    n = 0
    while text.skip_space():
        if text.next_char == "]":
            text.skip_char()
            return
        n += 1
        try:
            yield Record(text.value(), name, f"#{n}", array)
        except (Broken, TooLong) as err:
            while (goes_on := text.skip_line()) and text.next_char not in ("{", "["):
                pass
            if is_first and n == 1 and not goes_on and isinstance(err, Broken):
                raise InvalidImport(_NO_JSON) from err
            yield _unread(err, name, f"#{n}")
            if not goes_on:
                return
    yield Unread(Skipped.BROKEN, name, f"#{n + 1}")  # its end is missing


def _unread(err: Broken | TooLong, name: str, place: str) -> Unread:
    return Unread(Skipped.TOO_LARGE if isinstance(err, TooLong) else Skipped.BROKEN, name, place)
