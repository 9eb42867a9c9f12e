"""What a provider or proxy says of a person, and the account that it becomes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.domain.accounts import MAX_NAME, MAX_USERNAME, Account, AccountRole, Principal, folded_username
from app.errors import NotAllowed
from app.store import Repositories

_NO_ADMINISTRATOR = (
    "There is no administrator yet, and single sign-on does not make one of whoever comes first. "
    "`parley users add NAME` makes one."
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A person as a provider knows them: `issuer` and `subject` never change, all else may.

    `role` is what the provider's groups say; ``None`` if they say nothing.
    """

    issuer: str
    subject: str
    username: str
    name: str = ""
    role: AccountRole | None = None


def account_for(r: Repositories, identity: Identity, usual_role: AccountRole) -> Account:
    """The account of this person, made if there is none. What the provider says of their role counts each time.

    Never an account that exists already and only has the same user name: whoever can choose their name at the
    provider would take it over. Raises :class:`NotAllowed` for one that is disabled.
    """
    account = r.users.by_identity(identity.issuer, identity.subject)
    if account is None:
        return _made(r, identity, usual_role)
    if account.disabled_at is not None:
        raise NotAllowed("This account was disabled by an administrator.")
    if identity.role is not None and identity.role is not account.role:
        r.audit.add(None, "role_changed", account.shown_name, {"to": identity.role.value, "by": identity.issuer})
        return r.users.change(account.id, role=identity.role)
    return account


def _made(r: Repositories, identity: Identity, usual_role: AccountRole) -> Account:
    role = identity.role or usual_role
    if role is not AccountRole.ADMIN and not r.users.has_administrator():
        raise NotAllowed(_NO_ADMINISTRATOR)
    username = _free_username(r, identity.username)
    account = r.users.add(username, identity.name[:MAX_NAME], role, None)
    r.users.set_identity(account.id, identity.issuer, identity.subject)
    by = Principal(account.id, account.shown_name, account.role)
    r.audit.add(by, "account_made", account.shown_name, {"role": role.value, "by": identity.issuer})
    return account


def _free_username(r: Repositories, wanted: str) -> str:
    """`wanted` without what a user name may not have, and with a number if somebody has it already."""
    base = re.sub(r"\s+", "-", folded_username(wanted))[: MAX_USERNAME - 5] or "user"
    number, name = 1, base
    while r.users.by_username(name) is not None:
        number += 1
        name = f"{base}-{number}"
    return name
