"""Repository of shared conversations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.domain.ids import new_id
from app.domain.messages import Role
from app.domain.shares import Share, SharedMessage
from app.errors import ShareNotFound
from app.store.damage import DamagedRow, DamageLog
from app.store.row_mapping import require_legible
from app.store.tables import ConversationRow, ShareRow
from app.store.text_checks import checked

_GONE = "This link has expired or was withdrawn."


class Shares:
    """Links to frozen copies; only those that have not expired are found."""

    def __init__(self, session: Session, damage: DamageLog) -> None:
        self._session, self._damage = session, damage

    def add(
        self,
        user_id: str,
        conversation_id: str,
        digest: str,
        *,
        title: str,
        author: str,
        messages: Sequence[SharedMessage],
        expires_at: datetime,
        passcode_hash: str | None,
    ) -> Share:
        """Add a link whose secret has the checksum `digest`, and delete those that have expired."""
        now = datetime.now(UTC)
        self._session.execute(delete(ShareRow).where(ShareRow.expires_at < now))
        row = ShareRow(
            id=new_id(),
            digest=digest,
            user_id=user_id,
            conversation_id=conversation_id,
            title=checked(title, "title"),
            author=checked(author, "name"),
            messages=[_stored(message) for message in messages],
            created_at=now,
            expires_at=expires_at,
            passcode_hash=passcode_hash,
        )
        self._session.add(row)
        self._session.flush()
        return share_from(row)

    def find(self, digest: str) -> Share:
        """The link with this checksum. Raises :class:`ShareNotFound`, also while its conversation is in the trash."""
        query = select(ShareRow).join(ConversationRow, ConversationRow.id == ShareRow.conversation_id)
        valid = ShareRow.expires_at > datetime.now(UTC), ConversationRow.deleted_at.is_(None)
        row = self._session.scalars(query.where(ShareRow.digest == digest, *valid)).one_or_none()
        if row is None:
            raise ShareNotFound(_GONE)
        return self._damage.required(row, share_from)

    def of(self, user_id: str, conversation_id: str) -> list[Share]:
        """The links to a conversation of this person, the newest first."""
        query = select(ShareRow).where(ShareRow.user_id == user_id, ShareRow.conversation_id == conversation_id)
        rows = self._session.scalars(query.where(ShareRow.expires_at > datetime.now(UTC)).order_by(ShareRow.id.desc()))
        return list(self._damage.legible(rows, share_from))

    def delete(self, user_id: str, share_id: str) -> None:
        """Withdraw a link of this person. Raises :class:`ShareNotFound`, also for somebody else's."""
        query = delete(ShareRow).where(ShareRow.id == checked(share_id, "link"), ShareRow.user_id == user_id)
        if not self._session.connection().execute(query).rowcount:
            raise ShareNotFound(_GONE)


def share_from(row: ShareRow) -> Share:
    """The shared conversation of a row. A damaged one raises :class:`DamagedRow`."""
    require_legible(row)
    try:
        messages = [_read(message) for message in row.messages]
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise DamagedRow(row.__tablename__, row.id, "messages", "a message has other fields") from err
    return Share(
        id=row.id,
        user_id=row.user_id,
        conversation_id=row.conversation_id,
        title=row.title,
        author=row.author,
        messages=messages,
        created_at=row.created_at,
        expires_at=row.expires_at,
        passcode_hash=row.passcode_hash,
    )


def _stored(message: SharedMessage) -> dict[str, Any]:
    return {
        "role": message.role.value,
        "content": message.content,
        "model": message.model,
        "created_at": message.created_at.isoformat(),
    }


def _read(message: dict[str, Any]) -> SharedMessage:
    created_at = datetime.fromisoformat(message["created_at"])
    return SharedMessage(Role(message["role"]), message["content"], message["model"], created_at)
