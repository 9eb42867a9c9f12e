"""Detects stop strings in a stream of text, holding back text that may be the beginning of one."""

from __future__ import annotations

from collections.abc import Sequence


class TextGate:
    """Passes text on as early as possible, up to the first stop string.

    Holds back the longest suffix that could still become a stop string, and a high surrogate whose low surrogate has
    not arrived (upstreams write JSON escapes, and some split an emoji into two chunks).

        gate = TextGate(["</s>"])
        gate.push("Hi <")    # "Hi "
        gate.push("b>")      # "<b>"
        gate.push("</s>ab")  # "", and gate.stopped
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self.stopped = False
        self._stops = tuple(stops)
        self._held = ""

    def push(self, piece: str) -> str:
        """Add `piece`; returns the text that can be passed on, ``""`` once ``stopped``."""
        if self.stopped:
            return ""
        text = self._held + piece
        self._held = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._held = text[:-1], text[-1]
        text = _whole_characters(text)
        # (end, start) of each stop string: the one completed first counts, however the text was split
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            self._held = ""
            return text[: min(found)[1]]
        keep = self._possible_stop(text)
        self._held = text[len(text) - keep :] + self._held
        return text[: len(text) - keep]

    def flush(self) -> str:
        """Return the held-back text at the end of the reply."""
        rest, self._held = self._held, ""
        return "" if self.stopped else _whole_characters(rest)

    def _possible_stop(self, text: str) -> int:
        """The length of the longest suffix of `text` that is the beginning of a stop string."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for size in range(min(longest, len(text)), 0, -1):
            end = text[-size:]
            if any(stop.startswith(end) for stop in self._stops):
                return size
        return 0


def _whole_characters(text: str) -> str:
    """`text` with surrogate pairs joined; lone surrogates and NUL, which databases reject, become U+FFFD."""
    text = text.replace("\0", "\ufffd")
    if text.isascii() or not any("\ud800" <= ch <= "\udfff" for ch in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
