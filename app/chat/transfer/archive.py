"""All conversations as one zip archive, written piece by piece: one JSON file for each, and a README.

Nothing but the pieces not yet taken is kept. The import takes such an archive back.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime

from app import __version__
from app.chat.transfer import parley_json
from app.domain.titles import file_name
from app.errors import DatabaseDamaged
from app.store.repositories import Repositories
from app.system.zip_pieces import ZipPieces

FOLDER = "parley-chats"
_README = """All chats of Parley {version}, exported on {date} (UTC).

Each file in conversations/ is one chat with all its messages, versions, dates, models and your ratings, as JSON.
To get them back, drop this archive on Parley's page, or choose it with the import button at the top of the list.

Chats: {chats}
Chats in the trash are not included, nor chats without messages.
"""
_DAMAGED = "Left out, because they are damaged in the database: {damaged}. See: parley db check\n"


class Archive:
    """An archive that is being written."""

    def __init__(self) -> None:
        self.chats = 0
        self._damaged = 0
        self._written = ZipPieces()
        self._zip = zipfile.ZipFile(self._written, "w", zipfile.ZIP_DEFLATED)

    def add(self, exported: parley_json.Exported) -> bytes:
        """Add a conversation; returns the next piece of the archive."""
        self.chats += 1
        conversation = exported.conversation
        title = file_name(conversation.title, "chat")
        name = f"{FOLDER}/conversations/{conversation.updated_at:%Y-%m-%d} {title} {conversation.id[-6:]}.json"
        with self._zip.open(_entry(name, conversation.updated_at), "w", force_zip64=True) as file:
            for piece in parley_json.pieces(exported):
                file.write(piece)
        return self._written.take()

    def pieces(self, r: Repositories, user_id: str) -> Iterator[bytes]:
        """The whole archive of a person's conversations."""
        for conversation_id in r.conversations.ids(user_id):
            try:
                yield self.add(parley_json.read(user_id, conversation_id, r))
            except DatabaseDamaged:
                self.count_damaged()
        yield self.end()

    def count_damaged(self) -> None:
        """Count a conversation that can't be read."""
        self._damaged += 1

    def end(self) -> bytes:
        """The last piece."""
        now = datetime.now(UTC)
        text = _README.format(version=__version__, date=f"{now:%Y-%m-%d %H:%M}", chats=self.chats)
        if self._damaged:
            text += _DAMAGED.format(damaged=self._damaged)
        self._zip.writestr(_entry(f"{FOLDER}/README.txt", now), text)
        self._zip.close()
        return self._written.take()


def _entry(name: str, at: datetime) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (max(1980, at.year), at.month, at.day, at.hour, at.minute, at.second))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry
