"""The text of a file, read piece by piece: only the value that is being parsed is in memory."""

from __future__ import annotations

import codecs
import json
import re
from typing import Protocol

PIECE_BYTES = 1 << 20

_SPACE = re.compile("[\\s,\x1e\ufeff]*")  # between values; U+001E begins one in JSON text sequences
_MAX_DIGITS = 400  # of a whole number: Python refuses to convert very long ones
_LONGEST_TOKEN = 16  # of what JSON knows besides strings and numbers: -Infinity, \ud83d


class Readable(Protocol):
    """A file, or one inside an archive."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; none at the end."""


class Broken(Exception):
    """The text goes on with something that is not JSON, or ends within a value."""


class TooLong(Exception):
    """The value is longer than one may be."""


class TextStream:
    """A position in a file's text. Values longer than `max_chars` are not read."""

    def __init__(self, file: Readable, max_chars: int) -> None:
        self.line = 1  # where the position is, as editors count
        self._file, self._max_chars = file, max_chars
        self._decoder: codecs.IncrementalDecoder | None = None
        self._text, self._at, self._ended = "", 0, False

    @property
    def next_char(self) -> str:
        """The character at the position; "" at the end of what has been read."""
        return self._text[self._at : self._at + 1]

    def skip_char(self) -> None:
        """Go behind the next character."""
        self._advance(self._at + 1)

    def skip_space(self) -> bool:
        """Go to the next value; whether there is anything more."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._advance(found.end() if found else self._at)
            if self._at < len(self._text):
                return True
            if not self._grow():
                return False

    def skip_line(self) -> bool:
        """Go to the beginning of the next line; whether there is one."""
        while (end := self._text.find("\n", self._at)) < 0:
            self._at = len(self._text)
            if not self._grow():
                return False
        self._advance(end + 1)
        return self._at < len(self._text) or self._grow()

    def value(self) -> object:
        """The JSON value here; the position is then behind it. Raises :class:`Broken` and :class:`TooLong`."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError as error:
                raise Broken from error
            except ValueError as error:
                if not self._is_cut_off(error):
                    raise Broken from error
            else:
                if end - self._at > self._max_chars:
                    raise TooLong
                is_whole = end < len(self._text) or isinstance(value, dict | list | str)  # a number may go on
                if is_whole or not self._grow():
                    self._advance(end)
                    return value
                continue
            if len(self._text) - self._at > self._max_chars:
                raise TooLong
            if not self._grow():
                raise Broken

    def _is_cut_off(self, error: ValueError) -> bool:
        """Whether the value may only be incomplete: its error is at the end of what has been read."""
        if not isinstance(error, json.JSONDecodeError):
            return False
        near_the_end = error.pos >= len(self._text) - _LONGEST_TOKEN
        return not self._ended and (near_the_end or error.msg.startswith("Unterminated string"))

    def _advance(self, to: int) -> None:
        self.line += self._text.count("\n", self._at, to)
        self._at = to

    def _grow(self) -> bool:
        """Read on, twice as far each time within a value, and forget what is before the position."""
        left = len(self._text) - self._at
        size = max(PIECE_BYTES, min(left, self._max_chars + 1 - left))
        more = ""
        while not more and not self._ended:
            raw = self._file.read(size)
            self._ended = not raw
            if self._decoder is None:
                self._decoder = codecs.getincrementaldecoder(json.detect_encoding(raw))("replace")
            more = self._decoder.decode(raw, final=self._ended)
        if more:
            self._text, self._at = self._text[self._at :] + more, 0
        return bool(more)


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) < _MAX_DIGITS else float(digits)


_DECODER = json.JSONDecoder(parse_int=_whole_number)
