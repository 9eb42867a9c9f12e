"""What an import stores: conversations with messages, ratings and rankings, as the columns of their rows.

They are made outside the writer's thread, since indexing a long text takes a while. Constructors raise
:class:`~app.errors.InvalidRequest` for text that cannot be stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.feedback import RankedReply, RankingSource, Verdict, ranked
from app.domain.generation import Usage
from app.domain.ids import new_id, stable_id
from app.domain.messages import MessageState, Role, Timing
from app.store.row_mapping import provenance_columns, timing_columns, usage_columns
from app.store.search import document
from app.store.text_checks import checked, checked_json

Columns = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ImportedRating:
    """A rating of an imported reply by `rater`, as the file names a person; ``""`` is who imports it."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    comment: str = ""
    score: int | None = None
    created_at: datetime | None = None  # None: the message's
    rater: str = ""


@dataclass(frozen=True, slots=True)
class ImportedRanking:
    """A ranking of imported replies to the message `prompt_id`."""

    prompt_id: str | None
    items: tuple[RankedReply, ...]
    source: RankingSource
    both_bad: bool
    blind: bool
    created_at: datetime
    rater: str = ""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """What is left to know of a message that is stored."""

    id: str
    parent_id: str | None
    created_at: datetime
    rated: int  # how many ratings it has


class ImportedMessage:
    """A message. `corrects_id` makes it a person's corrected reply."""

    def __init__(
        self,
        parent_id: str | None,
        role: Role,
        content: str,
        state: MessageState,
        created_at: datetime,
        ratings: Sequence[ImportedRating] = (),
        model: str = "",
        reasoning: str = "",
        corrects_id: str | None = None,
        *,
        searchable: bool = True,
    ) -> None:
        self.id = new_id()
        self.parent_id, self.role, self.state, self.created_at = parent_id, role, state, created_at
        self.content = checked(content, "text")
        self.reasoning = checked(reasoning, "reasoning")
        self.document = document(content) if content and searchable else ""
        self.model = checked(model, "model") if role is Role.ASSISTANT and corrects_id is None else None
        self.corrects_id = corrects_id
        self.ratings = tuple(ratings)
        for rating in ratings:
            checked(rating.comment, "comment")

    @property
    def stored(self) -> StoredMessage:
        """The message without its text."""
        return StoredMessage(self.id, self.parent_id, self.created_at, len(self.ratings))


@dataclass(frozen=True, slots=True)
class ImportedConversation:
    """A conversation without its messages."""

    title: str
    system_prompt: str
    sampling: Mapping[str, object]
    created_at: datetime
    updated_at: datetime  # of its newest message
    allow_training: bool = True
    digest: str | None = None  # of the record it is read from; what has the same one is stored once
    dataset_file: str | None = None  # of a row of training data, its file's name; None: a chat

    def __post_init__(self) -> None:
        checked(self.title, "title")
        checked(self.system_prompt, "system prompt")
        checked(self.dataset_file or "", "file name")
        checked_json(dict(self.sampling), "sampling")


def conversation_columns(user_id: str, given: ImportedConversation, *, consents: bool) -> Columns:
    """Those of a conversation without messages; a chat's judgements become training data if its owner `consents`."""
    return {
        "id": new_id(),
        "user_id": user_id,
        "title": given.title,
        "model_id": None,
        "system_prompt": given.system_prompt,
        "sampling": dict(given.sampling),
        "leaf_id": None,
        "pinned": False,
        "created_at": given.created_at,
        "updated_at": given.updated_at,
        "deleted_at": None,
        "allow_training": given.allow_training and (consents or given.dataset_file is not None),
        "import_digest": given.digest,
        "dataset_file": given.dataset_file,
    }


def message_columns(conversation_id: str, message: ImportedMessage) -> Columns:
    """Those of a message."""
    return {
        "id": message.id,
        "conversation_id": conversation_id,
        "parent_id": message.parent_id,
        "role": message.role,
        "content": message.content,
        "reasoning": message.reasoning,
        "state": message.state,
        "created_at": message.created_at,
        "imported_model": message.model,
        "corrects_id": message.corrects_id,
        **provenance_columns(None),
        **usage_columns(Usage()),
        **timing_columns(Timing()),
    }


def rating_columns(user_id: str, messages: Iterable[ImportedMessage]) -> list[Columns]:
    """Those of the messages' ratings."""
    return [
        {
            "id": new_id(),
            "message_id": message.id,
            "user_id": rater_id(user_id, rating.rater),
            "verdict": rating.verdict,
            "reasons": list(rating.reasons),
            "comment": rating.comment,
            "score": rating.score,
            "created_at": rating.created_at or message.created_at,
        }
        for message in messages
        for rating in message.ratings
    ]


def ranking_columns(
    user_id: str, rankings: Iterable[tuple[str, ImportedRanking]]
) -> tuple[list[Columns], list[Columns]]:
    """Those of rankings, each with its conversation's id, and of their items."""
    rows, items = [], []
    for conversation_id, given in rankings:
        row = {
            "id": new_id(),
            "user_id": rater_id(user_id, given.rater),
            "conversation_id": conversation_id,
            "prompt_id": given.prompt_id,
            "source": given.source,
            "blind": given.blind,
            "both_bad": given.both_bad,
            "withdrawn": False,
            "created_at": given.created_at,
        }
        rows.append(row)
        items += [
            {
                "ranking_id": row["id"],
                "message_id": item.message_id,
                "rank": None if given.both_bad else item.rank,
                "position": item.position,
                "settings": dict(item.settings),
            }
            for item in ranked(given.items)
        ]
    return rows, items


def rater_id(user_id: str, rater: str) -> str:
    """The id of the person whom a file of `user_id` names; the same in each of their files."""
    return stable_id(f"{user_id}\0{rater}") if rater else user_id
