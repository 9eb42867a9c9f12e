"""What came of an import."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from app.chat.transfer.reading.report import Skipped
from app.domain.messages import Conversation
from app.errors import StoreError

MAX_NAMED = 100  # skipped records that are named; the others are counted
MAX_LISTED = 1_000  # chats that are listed


@dataclass(slots=True)
class ImportReport:
    """What was imported, and what was not. Its size is limited, however large the file is."""

    listed: list[Conversation] = field(default_factory=list)  # the first chats, in the order of the file
    chats: int = 0
    rows: int = 0  # of datasets: conversations that are not in the list of chats
    messages: int = 0
    ratings: int = 0
    rankings: int = 0
    known: int = 0  # chats and rows that were there already
    left_out: Counter[str] = field(default_factory=Counter)  # messages, by :class:`.report.LeftOut`
    changed: Counter[str] = field(default_factory=Counter)  # by :class:`.report.Changed`
    skipped: Counter[str] = field(default_factory=Counter)  # records and files, by :class:`.report.Skipped`
    named: list[Mapping[str, str]] = field(default_factory=list)  # the first of them: reason, name, title
    read: float = 0.0  # how much of the file has been read, from 0 to 1
    stopped: StoreError | None = None  # why the rest of the file was not stored
    # With the newest message: of the chats, else of the rows, else of what was there. None: nothing could be read.
    newest: Conversation | None = None

    _newest_key: tuple[object, ...] = ()

    def take(self, conversation: Conversation) -> None:
        """Count a conversation that was stored, or restored from the trash."""
        if conversation.dataset_file is None:
            self.chats += 1
            if len(self.listed) < MAX_LISTED:
                self.listed.append(conversation)
        else:
            self.rows += 1
        self._compare(conversation, is_new=True)

    def recognize(self, conversation: Conversation) -> None:
        """Count one that was there already."""
        self.known += 1
        self._compare(conversation, is_new=False)

    def skip(self, reason: str, name: str = "", title: str = "") -> None:
        """Count a skipped record."""
        self.skipped[reason] += 1
        if len(self.named) < MAX_NAMED and reason != Skipped.NO_VOTE:
            self.named.append({"reason": reason, "name": name, "title": title})

    def _compare(self, conversation: Conversation, *, is_new: bool) -> None:
        key = (is_new, conversation.dataset_file is None, conversation.updated_at)
        if self.newest is None or key > self._newest_key:
            self.newest, self._newest_key = conversation, key


OnProgress = Callable[[ImportReport], None]
