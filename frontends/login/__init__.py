"""The page on which people sign in, use an invitation, or set a new password. It stands before every other page."""

from __future__ import annotations

from starlette.applications import Starlette

from frontends.login.files import LoginFiles


def mount(app: Starlette) -> None:
    """Serve the page at ``/login`` and its files below. Comes before a front end, which answers all that is left."""
    app.router.routes.extend(LoginFiles().routes())
