"""Routes of one's own account: name, password, sessions, API keys. With a session only, never with a key."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from app.api.account_schemas import ChangeAccount, ChangePassword, NewKey, account_json, key_json, session_json
from app.api.deps import InPerson, ServicesDep
from app.api.schemas import Id

router = APIRouter(prefix="/api/account", tags=["account"])


@router.get("")
async def get_account(who: InPerson, services: ServicesDep) -> dict[str, Any]:
    """Get one's own account."""
    return account_json(await services.auth.own.get(who))


@router.patch("")
async def change_account(who: InPerson, services: ServicesDep, body: ChangeAccount) -> dict[str, Any]:
    """Change the name that others see, or whether judgements of new chats may become training data."""
    return account_json(await services.auth.own.change(who, name=body.name, allow_training=body.allow_training))


@router.put("/password", status_code=204)
async def change_password(who: InPerson, services: ServicesDep, body: ChangePassword) -> Response:
    """Change the password; all other sessions end. 401 if the current one is wrong."""
    await services.auth.own.change_password(who, body.current, body.new)
    return Response(status_code=204)


@router.get("/sessions")
async def list_sessions(who: InPerson, services: ServicesDep) -> list[dict[str, Any]]:
    """List the browsers in which one is signed in, the last used first."""
    return [session_json(session, who.session_id) for session in await services.auth.own.sessions(who)]


@router.delete("/sessions", status_code=204)
async def end_other_sessions(who: InPerson, services: ServicesDep) -> Response:
    """Sign out everywhere else."""
    await services.auth.own.end_other_sessions(who)
    return Response(status_code=204)


@router.delete("/sessions/{session_id}", status_code=204)
async def end_session(who: InPerson, services: ServicesDep, session_id: Id) -> Response:
    """Sign out in one browser."""
    await services.auth.own.end_session(who, session_id)
    return Response(status_code=204)


@router.get("/keys")
async def list_keys(who: InPerson, services: ServicesDep) -> list[dict[str, Any]]:
    """List one's API keys, without their secrets."""
    return [key_json(key) for key in await services.auth.own.keys(who)]


@router.post("/keys", status_code=201)
async def add_key(who: InPerson, services: ServicesDep, body: NewKey) -> dict[str, Any]:
    """Make an API key. ``key`` is its text, which is never shown again."""
    key, text = await services.auth.own.add_key(who, body.name, body.scopes)
    return {**key_json(key), "key": str(text)}


@router.delete("/keys/{key_id}", status_code=204)
async def revoke_key(who: InPerson, services: ServicesDep, key_id: Id) -> Response:
    """Revoke a key; requests that use it end within a second."""
    await services.auth.own.revoke_key(who, key_id)
    return Response(status_code=204)
