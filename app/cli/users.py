"""``parley users …``: accounts, also while a server runs."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table

from app.api.account_schemas import link_path
from app.auth import people
from app.auth.passwords import Passwords
from app.cli.errors import reported
from app.cli.tables import print_table
from app.config import Settings
from app.domain.accounts import Account, AccountRole
from app.errors import InvalidRequest, UserNotFound
from app.store import Repositories, Store, changing, reading
from app.store.connections import parse_url, sqlite_path
from app.store.sqlite_files import is_new

app = typer.Typer(
    help="""Make and change accounts. With the first one, an administrator's, Parley asks everybody to sign in.

    A running server notices every change within two seconds.

    Examples:

        parley users add ann

        parley users invite --role member

        parley users disable bob
    """,
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Username = Annotated[str, typer.Argument(metavar="NAME", help="The user name, as `parley users list` shows it.")]
Role = Annotated[AccountRole | None, typer.Option(help="What the person may do; the first account is an admin's.")]
Hours = Annotated[
    int, typer.Option(min=1, max=int(people.LONGEST_LINK / timedelta(hours=1)), help="Hours of validity.")
]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
_DAYS_3 = int(people.USUAL_LINK / timedelta(hours=1))


@app.command("list")
@reported
def list_users() -> None:
    """Show all accounts, and the links that can still be used.

    Example:  parley users list
    """
    with reading(Settings().resolved_database_url) as store:
        found = people.overview(store)
    if not found.accounts:
        print("No accounts: whoever uses this machine needs no login. `parley users add NAME` makes the first one.")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("USER NAME", "NAME", "ROLE", "STATE", "LAST SEEN", "SESSIONS"):
        table.add_column(column, overflow="fold")
    for account in found.accounts:
        sessions = found.sessions[account.id]
        state = "disabled" if account.disabled_at else "active"
        seen = _time(sessions[0].last_used_at) if sessions else ""
        table.add_row(account.username, account.name, account.role, state, seen, str(len(sessions)))
    if found.accounts:
        print_table(table)
    for link in found.links:
        note = f" ({link.note})" if link.note else ""
        print(f"A link for {link.kind.value}{note}, role {link.role.value}, is valid until {_time(link.expires_at)}.")


@app.command("add")
@reported
def add(
    username: Annotated[str, typer.Argument(metavar="NAME", help="The user name to sign in with.")],
    role: Role = None,
    name: Annotated[str, typer.Option(help="The name that others see.")] = "",
    password_stdin: FromStdin = False,
) -> None:
    """Make an account; asks for its password. The first one owns the chats that there are.

    Example:  parley users add ann --name "Ann Lee"
    """
    url = _created(Settings())
    hashed = _new_password(password_stdin, username, name)
    with changing(url) as store:
        account = people.add(store, None, username, name, role or _usual_role(store), hashed)
    print(f"{account.username} can sign in now ({account.role.value}).")


@app.command("invite")
@reported
def invite(
    role: Role = None,
    note: Annotated[str, typer.Option(help="For whom it is; only administrators see it.")] = "",
    hours: Hours = _DAYS_3,
) -> None:
    """Make a link with which somebody makes an account. It can be used once.

    Example:  parley users invite --role guest --note "for Li" --hours 24
    """
    settings = Settings()
    with changing(_created(settings)) as store:
        valid_for = timedelta(hours=hours)
        link, token = people.invite(store, None, role or _usual_role(store), valid_for=valid_for, note=note)
    _print_link(settings, token, link.expires_at)


@app.command("reset")
@reported
def reset(username: Username, hours: Hours = _DAYS_3) -> None:
    """Make a link with which somebody sets a new password. The old one is valid until then.

    Example:  parley users reset ann
    """
    settings = Settings()
    with changing(settings.resolved_database_url) as store:
        link, token = people.reset_link(store, None, _find(store, username).id, valid_for=timedelta(hours=hours))
    _print_link(settings, token, link.expires_at)


@app.command("disable")
@reported
def disable(username: Username) -> None:
    """Let somebody in no more: sessions end, API keys are revoked. Chats and judgements stay.

    Example:  parley users disable bob
    """
    with changing(Settings().resolved_database_url) as store:
        people.change(store, None, _find(store, username).id, disabled=True)
    print(f"{username} can't sign in any more, and is signed out everywhere.")


@app.command("enable")
@reported
def enable(username: Username) -> None:
    """Let somebody in again who was disabled.

    Example:  parley users enable bob
    """
    with changing(Settings().resolved_database_url) as store:
        people.change(store, None, _find(store, username).id, disabled=False)
    print(f"{username} can sign in again.")


@app.command("role")
@reported
def change_role(
    username: Username, role: Annotated[AccountRole, typer.Argument(help="admin, member or guest.")]
) -> None:
    """Change what somebody may do.

    Example:  parley users role bob admin
    """
    with changing(Settings().resolved_database_url) as store:
        account = people.change(store, None, _find(store, username).id, role=role)
    print(f"{account.username} is {account.role.value} now.")


def _find(store: Repositories, username: str) -> Account:
    account = store.users.by_username(username)
    if account is None:
        raise UserNotFound(f"There is no account called {username}. `parley users list` shows all.")
    return account


def _usual_role(store: Repositories) -> AccountRole:
    return AccountRole.MEMBER if store.users.has_administrator() else AccountRole.ADMIN


def _created(settings: Settings) -> str:
    """The URL of the database, which is created if there is none yet."""
    url = settings.resolved_database_url
    path = sqlite_path(parse_url(url))
    if path is not None and is_new(path):
        Store.open(url, settings.data_dir).close_now()
    return url


def _new_password(from_stdin: bool, username: str, name: str) -> str:
    """The checksum of a password that is asked for."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        raise InvalidRequest(
            "There is no terminal to ask for a password on. Use --password-stdin, or `parley users invite`."
        )
    return asyncio.run(Passwords().checksum(password, username, name))


def _print_link(settings: Settings, token: str, expires_at: datetime) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    print(f"http://{host}:{settings.port}{settings.root_path}{link_path(token)}")
    print(f"Valid once, until {_time(expires_at)}. Put the address under which others reach Parley in front of /login.")


def _time(when: datetime) -> str:
    return when.astimezone().strftime("%Y-%m-%d %H:%M")
