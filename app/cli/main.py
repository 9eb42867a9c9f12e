"""The command line: ``parley …``. Exit codes: 0 done, 1 failed, 2 the input or the configuration is wrong."""

from __future__ import annotations

import typer

from app import __version__
from app.cli import chat, data, db, jobs, models, serve, users

HELP = """Chat with a model on your own machine, rate the replies, and use your ratings as training data.

Start with `parley serve` and open the address it prints. Settings are environment variables: see docs/settings.md.
"""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"parley {__version__}")
        raise typer.Exit


def build() -> typer.Typer:
    """The command tree."""
    app = typer.Typer(help=HELP, no_args_is_help=True, add_completion=False, rich_markup_mode="markdown")

    @app.callback()
    def root(
        version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
    ) -> None:
        """Global options."""

    app.command("serve", help=serve.HELP)(serve.serve)
    app.command("chat", help=chat.HELP)(chat.chat)
    app.add_typer(models.app, name="models")
    app.add_typer(jobs.app, name="jobs")
    app.add_typer(users.app, name="users")
    app.add_typer(db.app, name="db")
    app.add_typer(data.app, name="data")
    return app


def main() -> None:
    """Entry point of the console script."""
    build()()


if __name__ == "__main__":
    main()
