"""Files with chats, as another program or Parley itself would have written them."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile

from app.chat.transfer.import_report import ImportReport, OnProgress
from app.chat.transfer.reading.formats import read
from app.chat.transfer.reading.records import Unread
from app.chat.transfer.reading.tree import ReadConversation
from app.chat.transfer.transfers import Transfers
from app.store import Store

MAX_BYTES = 64 << 20


def raw(data: object) -> bytes:
    """`data` as the content of a file: bytes as they are, everything else as JSON."""
    return data if isinstance(data, bytes) else json.dumps(data).encode()


def zipped(files: dict[str, object]) -> bytes:
    """A zip archive of files by name."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, raw(content))
    return target.getvalue()


def found_in(data: object, max_bytes: int = MAX_BYTES) -> tuple[list[ReadConversation], list[Unread]]:
    """What the reading process finds in a file."""
    everything = list(read(io.BytesIO(raw(data)), max_bytes))
    chats = [one for one in everything if isinstance(one, ReadConversation)]
    return chats, [one for one in everything if isinstance(one, Unread)]


async def load(
    store: Store, data: object, on_progress: OnProgress = lambda report: None, *, max_bytes: int = MAX_BYTES
) -> ImportReport:
    """Import a file."""
    with tempfile.TemporaryFile() as file:
        file.write(raw(data))
        file.flush()
        return await Transfers(store, max_bytes).load("local", file, on_progress)
