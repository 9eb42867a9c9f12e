"""Stop strings: holds text back that may be the beginning of one, and never gives half a character."""

from __future__ import annotations

from collections.abc import Sequence


class TextGate:
    """Lets text through as early as it is safe.

    Held back is the longest end of the text that could still become a stop string, and a high surrogate whose
    other half has not come (upstreams write JSON escapes, and some cut one emoji into two pieces).

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
        """What may be shown now that `piece` has come; nothing more once ``stopped``."""
        if self.stopped:
            return ""
        text = self._held + piece
        self._held = ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._held = text[:-1], text[-1]
        text = _whole_characters(text)
        # (end, start) of each stop string: the one that was complete first counts, however the text was cut
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped = True
            self._held = ""
            return text[: min(found)[1]]
        keep = self._possible_stop(text)
        self._held = text[len(text) - keep :] + self._held
        return text[: len(text) - keep]

    def flush(self) -> str:
        """The rest, when no more text will come."""
        rest, self._held = self._held, ""
        return "" if self.stopped else _whole_characters(rest)

    def _possible_stop(self, text: str) -> int:
        """How many characters at the end of `text` a stop string could begin with."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for size in range(min(longest, len(text)), 0, -1):
            end = text[-size:]
            if any(stop.startswith(end) for stop in self._stops):
                return size
        return 0


def _whole_characters(text: str) -> str:
    """`text` with surrogate pairs joined; what no database can hold, a lone half or NUL, becomes U+FFFD."""
    text = text.replace("\0", "\ufffd")
    if text.isascii() or not any("\ud800" <= ch <= "\udfff" for ch in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
