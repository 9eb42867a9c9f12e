"""A file's records, one at a time: of a JSON document, JSON Lines, or a zip archive of such files.

Nothing is unpacked to the disk: names in an archive are only shown. Limits are checked while data is read, whatever
the archive says about itself.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from app.chat.transfer.reading.report import Skipped
from app.errors import InvalidImport

MAX_FILES = 100_000  # in an archive
UNPACKED_TIMES = 20  # the files of an archive may have this many times its largest allowed size
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")

_READ = re.compile(r".*\.(json|jsonl|ndjson)", re.IGNORECASE)
# What ChatGPT's and Claude's archives have beside the chats.
_NO_CHATS = frozenset(
    {"user.json", "users.json", "message_feedback.json", "model_comparisons.json", "shared_conversations.json"}
    | {"projects.json", "memories.json", "export_manifest.json", "shopping.json", "user_settings.json"}
)
_SPACE = re.compile(r"[\s,\x1e]*")  # between values; U+001E begins one in JSON text sequences
_MAX_DIGITS = 400  # of a whole number: Python refuses to convert very long ones
_NO_ZIP = "This zip archive is damaged and can't be read. Export it again."


@dataclass(frozen=True, slots=True)
class Record:
    """A value of the file `name`; "" if it is the only one."""

    value: object
    name: str = ""


@dataclass(frozen=True, slots=True)
class Unread:
    """Something of the file `name` that can't be read; `title` is its title or number."""

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
        yield from _parsed(file.read(), "")


def _unzipped(file: IO[bytes], max_bytes: int) -> Iterator[Record | Unread]:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError) as err:
        raise InvalidImport(_NO_ZIP) from err
    with archive:
        entries = [entry for entry in archive.infolist() if _is_wanted(entry.filename)]
        if len(archive.infolist()) > MAX_FILES:
            raise InvalidImport(f"This archive has more than {MAX_FILES:,} files. Import it in parts.")
        if not entries:
            raise InvalidImport("There are no JSON files in this archive.")
        left = max_bytes * UNPACKED_TIMES
        for entry in sorted(entries, key=lambda entry: entry.filename):
            raw = _content(archive, entry, min(max_bytes, left))
            name = PurePosixPath(entry.filename).name
            if isinstance(raw, Skipped):
                yield Unread(raw, name)
                continue
            left -= len(raw)
            try:
                yield from _parsed(raw, name)
            except InvalidImport:
                yield Unread(Skipped.BROKEN, name)


def _is_wanted(path: str) -> bool:
    name = PurePosixPath(path).name
    is_hidden = name.startswith(".") or path.startswith("__MACOSX/")
    return _READ.fullmatch(name) is not None and not is_hidden and name not in _NO_CHATS


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, max_bytes: int) -> bytes | Skipped:
    """A file of the archive, or why it can't be read."""
    if entry.flag_bits & 1:
        return Skipped.ENCRYPTED
    if entry.file_size > max_bytes:
        return Skipped.TOO_LARGE
    try:
        with archive.open(entry) as file:
            raw = file.read(max_bytes + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, NotImplementedError, RuntimeError):
        return Skipped.BROKEN
    return raw if len(raw) <= max_bytes else Skipped.TOO_LARGE


def _parsed(raw: bytes, name: str) -> Iterator[Record | Unread]:
    """The elements of an array, the lines of JSON Lines, or the one value of a document."""
    text = _decoded(raw)
    del raw
    is_array = text.startswith("[")
    at, n = 1 if is_array else 0, 0
    if is_array and _space(text, at) < len(text) and text[_space(text, at)] == "]":
        return
    while (at := _space(text, at)) < len(text):
        if is_array and text[at] == "]":
            return
        n += 1
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as err:
            following = text.find("\n", at) if not is_array else -1
            if n == 1 and following < 0:
                raise InvalidImport("This file is not JSON. Choose a chat exported as JSON, or a zip archive.") from err
            yield Unread(Skipped.BROKEN, name, f"#{n}")
            if following < 0:
                return
            at = following
            continue
        yield Record(value, name)
    if is_array:  # its end is missing
        yield Unread(Skipped.BROKEN, name, f"#{n + 1}")


def _space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _decoded(raw: bytes) -> str:
    text = raw.decode(json.detect_encoding(raw), "replace").removeprefix("\ufeff").lstrip()
    if not text:
        raise InvalidImport("This file is empty.")
    return text


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) < _MAX_DIGITS else float(digits)


_DECODER = json.JSONDecoder(parse_int=_whole_number)
