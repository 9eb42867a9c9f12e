"""ASGI middleware before every route, the page's included: who sends this request, and may they send any?

What a person may do then is each route's policy (:mod:`app.api.deps`). Without accounts every request is the local
user's.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.errors import error_body
from app.api.refusals import respond
from app.api.session_cookies import session_token
from app.auth.service import AuthService
from app.domain import accounts
from app.domain.accounts import Principal
from app.errors import NotAllowed, NotSignedIn, ParleyError, TooManyRequests

PRINCIPAL = "parley.principal"  # in the ASGI scope
PEER = "parley.peer"  # the address at the other end of the connection: a proxy's, if there is one
LOGIN_PAGE = "/login"
# What somebody may ask who is not signed in. Everything else is refused, also what no route answers.
OPEN_PATHS = frozenset(
    {"/healthz", "/readyz", "/api/session", "/api/links/look", "/api/links/use", "/api/shared", LOGIN_PAGE}
)
# Files that never change: the page alone asks for more than a hundred at once, and they cost nothing.
_FILES = ("/assets/", "/static/", "/ui/static/", f"{LOGIN_PAGE}/")
_OPEN_FOLDERS = (f"{LOGIN_PAGE}/", "/shared/")
_UNKNOWN_KEY = "This API key is not known here, or was revoked. Make a new one under Account in Parley."
_NOBODY = "Sign in first. Programs send an API key: Authorization: Bearer sk-…"


class Authentication:
    """Finds out who somebody is. 401 for nobody, or the login page for a browser; 403 for a key elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        auth: AuthService = scope["app"].state.services.auth
        try:
            principal = await _identified(auth, scope) if auth.login_required else auth.local
            if auth.login_required and not scope["path"].startswith(_FILES):
                auth.rate.count(principal.user_id if principal else f"address {(scope.get('client') or ('', 0))[0]}")
            if principal is None and not _is_open(scope["path"]):
                await _refuse_nobody(scope, send)
                return
            if principal is not None and principal.key_id is not None and not _is_open(scope["path"]):
                _require_scope(principal, scope["method"], scope["path"])
        except NotSignedIn as err:
            await respond(send, 401, {"error": err.payload()}, _BEARER)
        except NotAllowed as err:
            await respond(send, 403, {"error": err.payload()})
        except TooManyRequests as err:
            retry_after = str(err.details["retry_after_s"]).encode()
            await respond(send, 429, {"error": err.payload()}, [(b"retry-after", retry_after)])
        except ParleyError as err:  # the database can't be read now
            await respond(send, 503, error_body(err.code, err.message))
        else:
            scope[PRINCIPAL] = principal
            if principal is None:
                await self._app(scope, receive, send)
                return
            with auth.running.entered(principal):
                await self._app(scope, receive, send)


async def _identified(auth: AuthService, scope: Scope) -> Principal | None:
    """Who it is. A key that is sent has to be right: it never falls back to a cookie. Raises :class:`NotSignedIn`."""
    keys = _keys(scope)
    if len(keys) > 1:
        raise NotSignedIn("This request holds two different API keys. Send one of them.")
    if keys:
        principal = await auth.authenticator.by_key(keys.pop())
        if principal is None:
            raise NotSignedIn(_UNKNOWN_KEY)
        return principal
    token = session_token(scope)
    principal = await auth.authenticator.by_session(token) if token else None
    named = auth.sso.proxy.identity(scope.get(PEER), scope["headers"])
    if principal is not None and named is not None and not await auth.is_account_of(principal, named):
        return None  # somebody else has signed in at the proxy since
    return principal


def _keys(scope: Scope) -> set[str]:
    """The API keys in the headers. Other schemes of ``Authorization`` are a reverse proxy's."""
    found = set()
    for name, raw in scope["headers"]:
        value = raw.decode("latin-1").strip()
        scheme, _, rest = value.partition(" ")
        if name == b"x-api-key":
            found.add(value)
        elif name == b"authorization" and scheme.lower() == "bearer":
            found.add(rest.strip())
    return found


def _require_scope(principal: Principal, method: str, path: str) -> None:
    """Raise :class:`NotAllowed` if the key may not be used for this path. The page takes no keys."""
    if path.startswith("/v1/") or path in _V1 or (method, path) == ("POST", "/"):  # the last is ChatGLM-6B's API
        needed = accounts.Scope.OPENAI
    elif path.startswith("/api/") or path in ("/openapi.json", "/metrics"):
        needed = accounts.Scope.API
    else:
        raise NotAllowed("API keys can't be used for this address.")
    if needed not in principal.scopes:
        raise NotAllowed(f"This API key is not made for this: it lacks the scope {needed}.", scope=needed.value)


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(_OPEN_FOLDERS)


async def _refuse_nobody(scope: Scope, send: Send) -> None:
    """The login page for a browser that opens a page; it comes back to the page's address. 401 for everything else."""
    accepts = b"".join(value for name, value in scope["headers"] if name == b"accept")
    if scope["method"] == "GET" and b"text/html" in accepts and scope["path"] == "/":
        query = scope["query_string"].decode("latin-1")
        target = f"{LOGIN_PAGE[1:]}?next={quote(query, safe='')}" if query else LOGIN_PAGE[1:]
        headers = [(b"location", target.encode()), (b"content-length", b"0"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body"})
        return
    error = NotSignedIn(_NOBODY)
    await respond(send, 401, {"error": error.payload()}, _BEARER)


# What programs ask that were told half of an address; routes say where the API is.
_V1 = ("/v1", "/chat/completions", "/completions", "/embeddings", "/models")
_BEARER = ((b"www-authenticate", b'Bearer realm="Parley"'),)
