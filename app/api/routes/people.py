"""Routes for administrators: accounts, invitations, the audit log."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from app.api.account_schemas import (
    ChangeUser,
    Invite,
    NewLink,
    account_json,
    audit_json,
    link_json,
    new_link,
    session_json,
)
from app.api.deps import Admin, ServicesDep
from app.api.schemas import Id
from app.auth import people

router = APIRouter(prefix="/api", tags=["people"])


@router.get("/users")
async def list_users(_: Admin, services: ServicesDep) -> dict[str, Any]:
    """List accounts with their sessions, and the links that can still be used."""
    found = await services.auth.look(people.overview)
    users = [account_json(a) | {"sessions": [session_json(s) for s in found.sessions[a.id]]} for a in found.accounts]
    return {"users": users, "links": [link_json(link) for link in found.links]}


@router.patch("/users/{user_id}")
async def change_user(who: Admin, services: ServicesDep, user_id: Id, body: ChangeUser) -> dict[str, Any]:
    """Change an account's name or role, or disable it: its sessions and keys end. 409 for the last administrator."""
    values = body.model_dump(exclude_none=True)
    return account_json(await services.auth.act(people.change, who, user_id, **values))


@router.post("/users/{user_id}/reset", status_code=201)
async def reset_password(who: Admin, services: ServicesDep, user_id: Id) -> NewLink:
    """Make a link with which somebody sets a new password."""
    return new_link(*await services.auth.act(people.reset_link, who, user_id))


@router.delete("/users/{user_id}/sessions", status_code=204)
async def sign_user_out(who: Admin, services: ServicesDep, user_id: Id) -> Response:
    """Sign somebody out everywhere."""
    await services.auth.act(people.sign_out, who, user_id)
    return Response(status_code=204)


@router.post("/links", status_code=201)
async def invite(who: Admin, services: ServicesDep, body: Invite) -> NewLink:
    """Make an invitation: a link that makes one account."""
    valid_for = timedelta(hours=body.valid_hours)
    return new_link(*await services.auth.act(people.invite, who, body.role, valid_for=valid_for, note=body.note))


@router.delete("/links/{link_id}", status_code=204)
async def withdraw_link(who: Admin, services: ServicesDep, link_id: Id) -> Response:
    """Withdraw an invitation or a link to set a new password."""
    await services.auth.act(people.withdraw_link, who, link_id)
    return Response(status_code=204)


@router.get("/audit")
async def list_audit(
    _: Admin,
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[
        int | None, Query(ge=1, le=1 << 62, description="Only acts before the one with this number.")
    ] = None,
) -> list[dict[str, Any]]:
    """List administrative acts, the newest first."""
    return [audit_json(entry) for entry in await services.auth.look(people.audit, limit, before=before)]
