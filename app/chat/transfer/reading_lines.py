"""Lines of the reading process → what is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.chat.transfer.reading_process import parsed
from app.domain.feedback import RankedReply, RankingSource, Verdict
from app.domain.messages import MessageState, Role
from app.errors import InvalidImport
from app.store.imported_rows import (
    ImportedConversation,
    ImportedMessage,
    ImportedRanking,
    ImportedRating,
    StoredMessage,
)
from app.store.repositories.imports import WholeConversation

Head = Mapping[str, Any]  # what the reading process says of a conversation


def whole(head: Head, line: str, file_name: str) -> WholeConversation:
    """A conversation whose messages are in one line."""
    about = conversation_of(head, file_name)
    messages = messages_of(line, [], searchable=about.dataset_file is None)
    if messages is None:
        raise InvalidImport("The file could not be read to its end.")
    rankings = rankings_of(head, [message.stored for message in messages])
    return WholeConversation(about, messages, messages[head["leaf"]].id, rankings)


def conversation_of(head: Head, file_name: str) -> ImportedConversation:
    """A conversation without its messages. A row of a dataset has the name of its file, also of one in an archive."""
    return ImportedConversation(
        title=head["title"],
        system_prompt=head["system_prompt"],
        sampling=head["sampling"],
        created_at=datetime.fromisoformat(head["created_at"]),
        updated_at=datetime.fromisoformat(head["updated_at"]),
        allow_training=head["allow_training"],
        digest=head["digest"],
        dataset_file=(head["file"] or file_name) if head["is_row"] else None,
    )


def messages_of(line: str, before: Sequence[StoredMessage], *, searchable: bool) -> list[ImportedMessage] | None:
    """The messages of a line under new ids; None at the end of the conversation. `before`: those before them."""
    said = parsed(line)
    if "messages" not in said:
        return None
    made: list[ImportedMessage] = []

    def id_of(position: int | None) -> str | None:
        if position is None:
            return None
        return before[position].id if position < len(before) else made[position - len(before)].id

    for parent, role, content, state, created_at, model, ratings, reasoning, corrects in said["messages"]:
        given = (Role(role), content, MessageState(state), datetime.fromisoformat(created_at))
        rated = [_rating(rating) for rating in ratings]
        corrected = id_of(corrects)
        made.append(ImportedMessage(id_of(parent), *given, rated, model, reasoning, corrected, searchable=searchable))
    return made


def rankings_of(head: Head, messages: Sequence[StoredMessage]) -> list[ImportedRanking]:
    """The rankings of a conversation; one without a date has that of its newest reply."""
    found = []
    for given in head["rankings"]:
        ranked = [(messages[at], rank, shown, settings) for at, rank, shown, settings in given["items"]]
        found.append(
            ImportedRanking(
                ranked[0][0].parent_id,
                tuple(RankedReply(message.id, rank, shown, settings) for message, rank, shown, settings in ranked),
                RankingSource(given["source"]),
                given["both_bad"],
                given["blind"],
                _at(given["created_at"]) or max(message.created_at for message, *_ in ranked),
                given["rater"],
            )
        )
    return found


def _rating(given: Mapping[str, Any]) -> ImportedRating:
    said = (Verdict(given["verdict"]), tuple(given["reasons"]), given["comment"], given["score"])
    return ImportedRating(*said, _at(given["created_at"]), given["rater"])


def _at(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
