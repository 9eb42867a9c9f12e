"""Routes for those who are not signed in: sign in and out, use an invitation or a link to set a new password."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.api.account_schemas import LinkPurpose, LookAtLink, SessionNow, SignInRequest, UseLink, principal_json
from app.api.authentication import PEER
from app.api.deps import Anyone, PrincipalDep, ServicesDep
from app.api.session_cookies import browser_of, delete_session_cookie, session_token, set_session_cookie
from app.auth.sign_in import SignedIn
from app.domain.accounts import LinkKind

router = APIRouter(prefix="/api", tags=["session"])


@router.get("/session", dependencies=[Anyone])
async def get_session(request: Request, response: Response, who: PrincipalDep, services: ServicesDep) -> SessionNow:
    """Whether a login is needed here, who is signed in, and whether they may sign in elsewhere (``sso``: its name)."""
    auth = services.auth
    if who is None and auth.login_required:
        identity = auth.sso.proxy.identity(request.scope.get(PEER), request.scope["headers"])
        if identity is not None:  # a reverse proxy has signed them in
            found = await auth.sign_in.sign_in_as(identity, auth.sso.usual_role, browser_of(request))
            return _started(request, response, found)
    sso = auth.sso.name if auth.sso.oidc and who is None else None
    return SessionNow(login=auth.login_required, user=principal_json(who) if who else None, sso=sso)


@router.post("/session", dependencies=[Anyone])
async def sign_in(request: Request, response: Response, services: ServicesDep, body: SignInRequest) -> SessionNow:
    """Sign in; the response sets a cookie. 401 if the name or the password is wrong, 429 after five wrong ones."""
    replaced = session_token(request.scope)
    found = await services.auth.sign_in.sign_in(body.username, body.password, browser_of(request), replaced)
    return _started(request, response, found)


@router.delete("/session", status_code=204, dependencies=[Anyone])
async def sign_out(request: Request, who: PrincipalDep, services: ServicesDep) -> Response:
    """Sign out; what this browser still receives ends within a second."""
    if who is not None:
        await services.auth.sign_in.sign_out(who)
    response = Response(status_code=204)
    delete_session_cookie(request, response)
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
        body.token, body.password, browser_of(request), username=username, name=body.name
    )
    return _started(request, response, found)


def _started(request: Request, response: Response, found: SignedIn) -> SessionNow:
    set_session_cookie(request, response, found)
    return SessionNow(login=True, user=principal_json(found.principal))
