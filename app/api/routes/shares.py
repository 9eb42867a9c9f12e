"""Routes of shared conversations: make, list and withdraw links, and read what one shows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.api.deps import Anyone, PrincipalDep, ServicesDep, UserId
from app.api.schemas import Id, Text
from app.api.schemas import Request as RequestBody
from app.chat.sharing import LONGEST, ShareOptions
from app.domain.shares import MAX_PASSCODE, MIN_PASSCODE, Share
from app.errors import NotSignedIn

router = APIRouter(prefix="/api", tags=["shares"])

_HOUR = timedelta(hours=1)
_WEEK_HOURS = 7 * 24


class ShareConversation(RequestBody):
    """How to share: until when, with one's name or without, with a passcode or without."""

    leaf_id: Id | None = None
    with_name: bool = False
    passcode: Annotated[Text, Field(min_length=MIN_PASSCODE, max_length=MAX_PASSCODE)] | None = None
    valid_hours: Annotated[int, Field(ge=1, le=LONGEST // _HOUR)] = _WEEK_HOURS


class OpenShare(RequestBody):
    """The secret of a link, and its passcode if it has one."""

    token: Annotated[Text, Field(min_length=1, max_length=100)]
    passcode: Annotated[Text, Field(max_length=MAX_PASSCODE)] | None = None


class SharePublic(BaseModel):
    """A link without its secret."""

    id: str
    created_at: datetime
    expires_at: datetime
    passcode: bool
    with_name: bool


class NewShare(SharePublic):
    """A new link; `path` with its secret is shown this once."""

    path: str


def _public(share: Share) -> dict[str, Any]:
    return {
        "id": share.id,
        "created_at": share.created_at,
        "expires_at": share.expires_at,
        "passcode": share.passcode_hash is not None,
        "with_name": bool(share.author),
    }


@router.post("/conversations/{conversation_id}/shares", status_code=201)
async def share(
    _: UserId, who: PrincipalDep, services: ServicesDep, conversation_id: Id, body: ShareConversation
) -> NewShare:
    """Share what is shown of a conversation now: later messages and changes are not part of it."""
    if who is None:
        raise NotSignedIn("Sign in first.")
    options = ShareOptions(timedelta(hours=body.valid_hours), body.leaf_id, body.with_name, body.passcode)
    made, token = await services.sharing.share(who, conversation_id, options)
    return NewShare(**_public(made), path=f"/shared/{token}")


@router.get("/conversations/{conversation_id}/shares")
async def list_shares(user_id: UserId, services: ServicesDep, conversation_id: Id) -> list[SharePublic]:
    """List the links to a conversation that are still valid."""
    return [SharePublic(**_public(share)) for share in await services.sharing.shares(user_id, conversation_id)]


@router.delete("/shares/{share_id}", status_code=204)
async def withdraw(user_id: UserId, services: ServicesDep, share_id: Id) -> Response:
    """Withdraw a link at once."""
    await services.sharing.withdraw(user_id, share_id)
    return Response(status_code=204)


@router.post("/shared", dependencies=[Anyone])
async def open_share(request: Request, services: ServicesDep, body: OpenShare) -> dict[str, Any]:
    """What a link shows: title, author if named, messages. 401 without the right passcode, 404 if it has expired."""
    address = request.client.host if request.client else ""
    found = await services.sharing.open(body.token, body.passcode, address)
    messages = [
        {"role": m.role, "content": m.content, "model": m.model, "created_at": m.created_at} for m in found.messages
    ]
    return {
        "title": found.title,
        "author": found.author,
        "created_at": found.created_at,
        "expires_at": found.expires_at,
        "messages": messages,
    }
