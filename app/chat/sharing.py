"""Sharing a conversation: a link to a frozen copy of one path, which expires and can be withdrawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.auth.attempts import Attempts
from app.auth.passwords import Passwords
from app.auth.secret_tokens import checksum, new_token
from app.domain.accounts import Principal
from app.domain.messages import by_id, path_to
from app.domain.shares import Share, frozen
from app.errors import InvalidRequest, PasscodeNeeded, WrongPassword
from app.store import Repositories, Store

LONGEST = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class ShareOptions:
    """How a conversation is shared. `leaf_id`: the end of the path; ``None``: the one that is shown."""

    valid_for: timedelta
    leaf_id: str | None = None
    with_name: bool = False
    passcode: str | None = None


class Sharing:
    """Makes, lists, withdraws and opens shared conversations."""

    def __init__(self, store: Store, passwords: Passwords) -> None:
        self._store, self._passwords, self._attempts = store, passwords, Attempts()

    async def share(self, who: Principal, conversation_id: str, options: ShareOptions) -> tuple[Share, str]:
        """Freeze a path of a conversation; returns the link's secret too, which is not stored.

        Raises :class:`~app.errors.ConversationNotFound`, :class:`InvalidRequest` for one without text.
        """
        token = new_token()
        hashed = await self._passwords.of_passcode(options.passcode) if options.passcode else None
        expires_at = datetime.now(UTC) + min(options.valid_for, LONGEST)

        def add(r: Repositories) -> Share:
            conversation = r.conversations.get(who.user_id, conversation_id)
            path = path_to(by_id(r.messages.all(conversation.id)), options.leaf_id or conversation.leaf_id)
            messages = frozen(path)
            if not messages:
                raise InvalidRequest("There is nothing to share in this conversation yet.", field="conversation_id")
            return r.shares.add(
                who.user_id,
                conversation.id,
                checksum(token),
                title=conversation.title,
                author=who.name if options.with_name else "",
                messages=messages,
                expires_at=expires_at,
                passcode_hash=hashed,
            )

        return await self._store.write(add), token

    async def shares(self, user_id: str, conversation_id: str) -> list[Share]:
        """The links to a conversation. Raises :class:`~app.errors.ConversationNotFound`."""

        def work(r: Repositories) -> list[Share]:
            return r.shares.of(user_id, r.conversations.get(user_id, conversation_id).id)

        return await self._store.read(work)

    async def withdraw(self, user_id: str, share_id: str) -> None:
        """Withdraw a link. Raises :class:`~app.errors.ShareNotFound`."""
        await self._store.write(lambda r: r.shares.delete(user_id, share_id))

    async def open(self, token: str, passcode: str | None, address: str) -> Share:
        """What a link shows. Raises :class:`~app.errors.ShareNotFound`, :class:`PasscodeNeeded`,

        :class:`WrongPassword`, and :class:`~app.errors.TooManyAttempts` after five wrong passcodes.
        """
        share = await self._store.read(lambda r: r.shares.find(checksum(token)))
        if share.passcode_hash is None:
            return share
        if not passcode:
            raise PasscodeNeeded("This conversation is shared with a passcode. Ask whoever sent you the link.")
        with self._attempts.attempt(f"share {share.id}", f"address {address}"):
            if not await self._passwords.matches(share.passcode_hash, passcode):
                raise WrongPassword("This passcode is wrong.")
        return share
