"""The part of the client for accounts: signing in, one's own account, and those of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from frontends.transport import Json, Transport, api_path, given


class AccountClient(Transport):
    """The routes of accounts. Without accounts most of them refuse with ``not_allowed``."""

    # --- signing in -----------------------------------------------------------------------------------

    async def session(self) -> Json:
        """Whether a login is needed (``login``), and who is signed in (``user``)."""
        return await self._json("GET", "/api/session")

    async def sign_in(self, username: str, password: str) -> Json:
        """Sign in; later calls of this client send the cookie."""
        return await self._json("POST", "/api/session", body={"username": username, "password": password})

    async def sign_out(self) -> None:
        """Sign out."""
        await self._call("DELETE", "/api/session")

    async def look_at_link(self, token: str) -> Json:
        """What a one-time link is for: ``kind``, ``role``, ``username``."""
        return await self._json("POST", "/api/links/look", body={"token": token})

    async def use_link(self, token: str, password: str, *, username: str | None = None, name: str = "") -> Json:
        """Make the account that an invitation is for, or set a new password; then be signed in."""
        body = {"token": token, "password": password, "username": username, "name": name}
        return await self._json("POST", "/api/links/use", body=given(body))

    # --- one's own account ----------------------------------------------------------------------------

    async def account(self) -> Json:
        """One's own account."""
        return await self._json("GET", "/api/account")

    async def change_account(self, changes: Mapping[str, Any]) -> Json:
        """Change ``name``, or ``allow_training``: whether judgements of new chats may become training data."""
        return await self._json("PATCH", "/api/account", body=changes)

    async def change_password(self, current: str, new: str) -> None:
        """Change the password; all other sessions end."""
        await self._call("PUT", "/api/account/password", body={"current": current, "new": new})

    async def sessions(self) -> list[Json]:
        """The browsers in which one is signed in."""
        return await self._list("GET", "/api/account/sessions")

    async def end_session(self, session_id: str) -> None:
        """Sign out in one browser."""
        await self._call("DELETE", api_path("account", "sessions", session_id))

    async def end_other_sessions(self) -> None:
        """Sign out everywhere else."""
        await self._call("DELETE", "/api/account/sessions")

    async def keys(self) -> list[Json]:
        """One's API keys, without their secrets."""
        return await self._list("GET", "/api/account/keys")

    async def add_key(self, name: str, scopes: Sequence[str] = ("openai",)) -> Json:
        """Make a key; its text is in ``key``, this once."""
        return await self._json("POST", "/api/account/keys", body={"name": name, "scopes": list(scopes)})

    async def revoke_key(self, key_id: str) -> None:
        """Revoke a key."""
        await self._call("DELETE", api_path("account", "keys", key_id))

    # --- the accounts of others, for administrators ---------------------------------------------------

    async def users(self) -> Json:
        """``users`` with their sessions, and ``links`` that can still be used."""
        return await self._json("GET", "/api/users")

    async def change_user(self, user_id: str, changes: Mapping[str, Any]) -> Json:
        """Change ``name``, ``role`` or ``disabled``."""
        return await self._json("PATCH", api_path("users", user_id), body=changes)

    async def reset_password(self, user_id: str) -> Json:
        """Make a link with which somebody sets a new password."""
        return await self._json("POST", api_path("users", user_id, "reset"))

    async def sign_user_out(self, user_id: str) -> None:
        """Sign somebody out everywhere."""
        await self._call("DELETE", api_path("users", user_id, "sessions"))

    async def invite(self, role: str = "member", *, note: str = "", valid_hours: int | None = None) -> Json:
        """Make an invitation."""
        return await self._json(
            "POST", "/api/links", body=given({"role": role, "note": note, "valid_hours": valid_hours})
        )

    async def withdraw_link(self, link_id: str) -> None:
        """Withdraw an invitation or a link to set a new password."""
        await self._call("DELETE", api_path("links", link_id))

    async def audit(self, *, limit: int = 100, before: int | None = None) -> list[Json]:
        """Administrative acts, the newest first."""
        response = await self._call("GET", "/api/audit", params=given({"limit": limit, "before": before}))
        found: list[Json] = response.json()
        return found
