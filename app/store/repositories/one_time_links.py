"""Repository of one-time links: invitations, and links to set a new password."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.domain.accounts import AccountRole, LinkKind, OneTimeLink
from app.domain.ids import new_id
from app.errors import LinkNotFound
from app.store.account_rows import link_from
from app.store.damage import DamageLog
from app.store.tables import OneTimeLinkRow
from app.store.text_checks import checked

_GONE = "This link was used already, has expired or was withdrawn. Ask an administrator for a new one."


class OneTimeLinks:
    """Links that their receiver may use once. Only those that have not expired are found."""

    def __init__(self, session: Session, damage: DamageLog) -> None:
        self._session, self._damage = session, damage

    def add(
        self,
        kind: LinkKind,
        digest: str,
        expires_at: datetime,
        *,
        role: AccountRole,
        created_by: str | None,
        user_id: str | None = None,
        note: str = "",
    ) -> OneTimeLink:
        """Add a link, in place of an earlier one for the same person; those that have expired are deleted."""
        now = datetime.now(UTC)
        self._session.execute(delete(OneTimeLinkRow).where(OneTimeLinkRow.expires_at < now))
        if user_id is not None:
            self._session.execute(delete(OneTimeLinkRow).where(OneTimeLinkRow.user_id == user_id))
        row = OneTimeLinkRow(
            id=new_id(),
            digest=digest,
            kind=kind,
            role=role,
            user_id=user_id,
            created_by=created_by,
            created_at=now,
            expires_at=expires_at,
            note=checked(note, "note"),
        )
        self._session.add(row)
        self._session.flush()
        return link_from(row)

    def find(self, digest: str) -> OneTimeLink:
        """The link with this checksum. Raises :class:`LinkNotFound`."""
        query = select(OneTimeLinkRow).where(OneTimeLinkRow.digest == digest)
        row = self._session.scalars(query.where(OneTimeLinkRow.expires_at > datetime.now(UTC))).one_or_none()
        if row is None:
            raise LinkNotFound(_GONE)
        return self._damage.required(row, link_from)

    def use(self, digest: str) -> OneTimeLink:
        """Find a link and delete it. Raises :class:`LinkNotFound`, also for the second of two who use it at once."""
        link = self.find(digest)
        self.delete(link.id)
        return link

    def all(self) -> list[OneTimeLink]:
        """All links that can still be used, the newest first."""
        query = select(OneTimeLinkRow).where(OneTimeLinkRow.expires_at > datetime.now(UTC))
        return list(self._damage.legible(self._session.scalars(query.order_by(OneTimeLinkRow.id.desc())), link_from))

    def delete(self, link_id: str) -> None:
        """Withdraw a link. Raises :class:`LinkNotFound`."""
        query = delete(OneTimeLinkRow).where(OneTimeLinkRow.id == checked(link_id, "link"))
        if not self._session.connection().execute(query).rowcount:
            raise LinkNotFound(_GONE)
