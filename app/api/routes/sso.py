"""Routes of single sign-on: to the provider and back."""

from __future__ import annotations

from html import escape
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from app.api.deps import Anyone, ServicesDep
from app.api.schemas import Text
from app.api.session_cookies import browser_of, set_session_cookie
from app.auth.sso.flow import MAX_AGE_S, OidcFlow
from app.errors import NotFound, ParleyError, SignInFailed

router = APIRouter(prefix="/login/oidc", tags=["session"], include_in_schema=False)

_COOKIE = "parley-oidc"
_NO_STORE = {"Cache-Control": "no-store"}
# The session's cookie is SameSite=Strict: it is not sent while the browser follows redirects that began on another
# site. A page of ours in between ends that.
_ON = """<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={url}"><title>Parley</title>
<p><a href="{url}">Parley</a></p>"""
_FAILED = """<!doctype html><meta charset="utf-8"><title>Parley</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ font: 1rem/1.6 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto; padding: 0 1rem;
color-scheme: light dark; }}</style>
<h1>Parley</h1><p role="alert">{message}</p><p><a href="../../login">Sign in · 重新登录</a></p>"""


@router.get("", dependencies=[Anyone], response_class=RedirectResponse)
async def start(
    request: Request,
    services: ServicesDep,
    next: Annotated[Text, Query(max_length=500)] = "",  # noqa: A002 - as in the login page's address
) -> Response:
    """Send the browser to the provider."""
    flow = _flow(services.auth.sso.oidc)
    try:
        started = await flow.start(_callback(request), next)
    except ParleyError as err:
        return _failed(err)
    response = RedirectResponse(started.address, status_code=303, headers=_NO_STORE)
    secure = request.scope["scheme"] == "https"
    response.set_cookie(
        _COOKIE, started.browser_secret, max_age=MAX_AGE_S, path="/", secure=secure, httponly=True, samesite="lax"
    )
    return response


@router.get("/callback", dependencies=[Anyone], response_class=HTMLResponse)
async def callback(
    request: Request,
    services: ServicesDep,
    state: Annotated[Text, Query(max_length=200)] = "",
    code: Annotated[Text, Query(max_length=4000)] = "",
    error: Annotated[Text, Query(max_length=200)] = "",
) -> Response:
    """Take the browser back: find out who it is, sign them in, go on to the page."""
    flow = _flow(services.auth.sso.oidc)
    try:
        if error or not code:
            raise SignInFailed(f"The sign-in service refused the sign-in ({error or 'no code'}). Try again.")
        identity, query = await flow.finish(state, code, request.cookies.get(_COOKIE, ""))
        found = await services.auth.sign_in.sign_in_as(identity, services.auth.sso.usual_role, browser_of(request))
    except ParleyError as err:
        return _failed(err)
    page = f"../../?{urlencode(parse_qsl(query))}" if query else "../../"
    response = HTMLResponse(_ON.format(url=escape(page)), headers=_NO_STORE)
    response.delete_cookie(_COOKIE, path="/")
    set_session_cookie(request, response, found)
    return response


def _flow(flow: OidcFlow | None) -> OidcFlow:
    if flow is None:
        raise NotFound("There is no single sign-on here. PARLEY_OIDC_ISSUER turns it on.")
    return flow


def _callback(request: Request) -> str:
    """The whole address of our callback, as the browser knows it and the provider has it registered."""
    base = f"{request.url.scheme}://{request.url.netloc}{request.app.state.services.settings.root_path}"
    return f"{base}/login/oidc/callback"


def _failed(err: ParleyError) -> Response:
    return HTMLResponse(_FAILED.format(message=escape(err.message)), status_code=403, headers=_NO_STORE)
