"""The cookie that holds a session's token, and the browser that sends it."""

from __future__ import annotations

from fastapi import Request, Response
from starlette.types import Scope

from app.auth.authenticator import LONGEST
from app.auth.sign_in import Browser, SignedIn

_SECURE_COOKIE = "__Host-parley"


def session_cookie(scope: Scope) -> str:
    """The cookie's name.

    With TLS the prefix makes browsers keep it from other hosts and from plain HTTP. Without, it names the port, since
    cookies are shared between the ports of a host, and so between two Parleys.
    """
    return _SECURE_COOKIE if scope["scheme"] == "https" else f"parley-{(scope.get('server') or ('', 0))[1]}"


def session_token(scope: Scope) -> str | None:
    """The token in the cookie. Two different ones are none: somebody else may have set the second."""
    headers = [value.decode("latin-1") for key, value in scope["headers"] if key == b"cookie"]
    pairs = [pair.partition("=") for header in headers for pair in header.split(";")]
    found = {value.strip() for key, _, value in pairs if key.strip() == session_cookie(scope)}
    return found.pop() if len(found) == 1 else None


def set_session_cookie(request: Request, response: Response, found: SignedIn) -> None:
    """Give the browser the token of its new session."""
    response.set_cookie(
        session_cookie(request.scope),
        found.token,
        max_age=int(LONGEST.total_seconds()),
        path="/",
        secure=request.scope["scheme"] == "https",
        httponly=True,
        samesite="strict",
    )


def delete_session_cookie(request: Request, response: Response) -> None:
    """Take the token away."""
    response.delete_cookie(session_cookie(request.scope), path="/", secure=request.scope["scheme"] == "https")


def browser_of(request: Request) -> Browser:
    """Where a request comes from, as the list of sessions shows it."""
    address = request.client.host if request.client else ""
    return Browser(device=request.headers.get("user-agent", ""), address=address)
