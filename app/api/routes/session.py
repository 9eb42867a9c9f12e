"""Routes for those who are not signed in: sign in and out, use an invitation or a link to set a new password."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.api.account_schemas import LinkPurpose, LookAtLink, SessionNow, SignInRequest, UseLink, principal_json
from app.api.authentication import session_cookie, session_token
from app.api.deps import Anyone, PrincipalDep, ServicesDep
from app.auth.authenticator import LONGEST
from app.auth.sign_in import Browser, SignedIn
from app.domain.accounts import LinkKind

router = APIRouter(prefix="/api", tags=["session"])


@router.get("/session", dependencies=[Anyone])
async def get_session(who: PrincipalDep, services: ServicesDep) -> SessionNow:
    """Whether a login is needed here, and who is signed in."""
    return SessionNow(login=services.auth.login_required, user=principal_json(who) if who else None)


@router.post("/session", dependencies=[Anyone])
async def sign_in(request: Request, response: Response, services: ServicesDep, body: SignInRequest) -> SessionNow:
    """Sign in; the response sets a cookie. 401 if the name or the password is wrong, 429 after five wrong ones."""
    replaced = session_token(request.scope)
    found = await services.auth.sign_in.sign_in(body.username, body.password, _browser(request), replaced)
    return _started(request, response, found)


@router.delete("/session", status_code=204, dependencies=[Anyone])
async def sign_out(request: Request, who: PrincipalDep, services: ServicesDep) -> Response:
    """Sign out; what this browser still receives ends within a second."""
    if who is not None:
        await services.auth.sign_in.sign_out(who)
    response = Response(status_code=204)
    response.delete_cookie(session_cookie(request.scope), path="/", secure=request.scope["scheme"] == "https")
    return response


@router.post("/links/look", dependencies=[Anyone])
async def look_at_link(services: ServicesDep, body: LookAtLink) -> LinkPurpose:
    """What a one-time link is for. It can still be used afterwards. 404 if it was used already or has expired."""
    link, account = await services.auth.sign_in.open_link(body.token)
    return LinkPurpose(kind=link.kind, role=link.role, username=account.username if account else None)


@router.post("/links/use", status_code=201, dependencies=[Anyone])
async def use_link(request: Request, response: Response, services: ServicesDep, body: UseLink) -> SessionNow:
    """Make the account that an invitation is for, or set a new password; then sign in."""
    link, _ = await services.auth.sign_in.open_link(body.token)
    username = (body.username or "") if link.kind is LinkKind.INVITATION else ""
    found = await services.auth.sign_in.use_link(
        body.token, body.password, _browser(request), username=username, name=body.name
    )
    return _started(request, response, found)


def _browser(request: Request) -> Browser:
    address = request.client.host if request.client else ""
    return Browser(device=request.headers.get("user-agent", ""), address=address)


def _started(request: Request, response: Response, found: SignedIn) -> SessionNow:
    response.set_cookie(
        session_cookie(request.scope),
        found.token,
        max_age=int(LONGEST.total_seconds()),
        path="/",
        secure=request.scope["scheme"] == "https",
        httponly=True,
        samesite="strict",
    )
    return SessionNow(login=True, user=principal_json(found.principal))
