"""Repository of judged replies, for whoever counts them: read in blocks, so that only what has changed is read again.

Judgements of conversations that are in the trash, or whose owner does not allow training, do not count. No query reads
a text.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import func, select, text, type_coerce
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from app.domain.judged_replies import Block, player_of
from app.store.judged_replies_table import JudgedReplyRow
from app.store.tables import WITHHELD, ConversationRow, MessageRow, UserRow

BLOCK = 4_096  # numbers
_ROWS = JudgedReplyRow
_FIELDS = (  # of JudgedReply
    *(_ROWS.id, _ROWS.judgement_id, _ROWS.kind, _ROWS.user_id, _ROWS.judged_at, _ROWS.prompt_id, _ROWS.message_id),
    *(_ROWS.rank, _ROWS.position, _ROWS.blind, _ROWS.both_bad, _ROWS.reasons, _ROWS.player, _ROWS.adapter),
    *(_ROWS.complete, _ROWS.characters, _ROWS.language, _ROWS.prompt, _ROWS.decision),
)
_AS_IT_IS = NullType()
_WITHHELD = select(ConversationRow.id).where(WITHHELD)  # text: as the index says it


class JudgedReplies:
    """Reads across all users: for the owner of the installation and for administrators."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def version(self) -> str:
        """Changes with every judgement, review, withdrawal, deletion and consent that changes what is counted."""
        count, last = self._session.execute(select(func.count(), func.max(_ROWS.id)).select_from(_ROWS)).one()
        withheld = hashlib.blake2b(digest_size=16)
        for conversation_id in self._session.scalars(_WITHHELD.order_by(ConversationRow.id)):
            withheld.update(str(conversation_id).encode())
        return f"{count}.{last}.{withheld.hexdigest()}"

    def blocks(self) -> dict[int, Block]:
        """All blocks with a reply, by their place."""
        place = (_ROWS.id // BLOCK).label("place")
        query = select(place, func.count(), func.max(_ROWS.id)).group_by(place).order_by(place)
        return {place: Block(replies, last) for place, replies, last in self._session.execute(query)}

    def in_block(self, place: int) -> Sequence[Sequence[Any]]:
        """The replies of a block, by number: the fields of :class:`~app.domain.judged_replies.JudgedReply`.

        Values are as the database gives them, since converting hundreds of thousands would take the most time: SQLite's
        times are text without a zone, its flags are numbers.
        """
        query = select(*(type_coerce(field, _AS_IT_IS) for field in _FIELDS))
        query = query.where(_ROWS.id >= place * BLOCK, _ROWS.id < (place + 1) * BLOCK).order_by(_ROWS.id)
        # Not through the session: for so many rows its own part would be the largest.
        return self._session.connection().execute(query).all()

    def withheld(self) -> Sequence[int]:
        """The numbers of the replies that do not count."""
        return self._session.scalars(select(_ROWS.id).where(_ROWS.conversation_id.in_(_WITHHELD))).all()

    def written(self) -> Counter[str]:
        """How many replies each model has written, in conversations that count."""
        made, withheld = Counter[str](), MessageRow.conversation_id.in_(_WITHHELD)
        by_models = text("role = 'assistant'"), MessageRow.model_id.is_not(None)  # text: as the index says it
        for sign, where in ((1, by_models), (-1, (*by_models, withheld))):
            names = MessageRow.model_id, MessageRow.adapter
            query = select(*names, func.count()).select_from(MessageRow).where(*where).group_by(*names)
            for model_id, adapter, count in self._session.execute(query):
                made[player_of(model_id, adapter, None) or ""] += sign * count
        return made

    def names(self, rater_ids: Collection[str]) -> dict[str, str]:
        """The names of some people."""
        found = self._session.execute(select(UserRow.id, UserRow.name).where(UserRow.id.in_(rater_ids)))
        return {user_id: str(name) for user_id, name in found}
