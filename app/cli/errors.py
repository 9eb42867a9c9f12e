"""Command-line errors: a message on stderr and an exit code; a traceback only for unexpected errors."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer
from pydantic import ValidationError

from app.errors import (
    ConfigurationError,
    DatasetExists,
    InvalidManifest,
    InvalidRequest,
    LastAdministrator,
    NotFound,
    NotSignedIn,
    ParleyError,
    UsernameTaken,
)

FAILED = 1
WRONG_INPUT = 2
_WRONG = NotFound | InvalidRequest | InvalidManifest | ConfigurationError | NotSignedIn
_IN_THE_WAY = DatasetExists | UsernameTaken | LastAdministrator

P = ParamSpec("P")
T = TypeVar("T")


def exit_code(err: ParleyError) -> int:
    """The exit code of an error: 2 for wrong input or settings, 1 for other failures."""
    wrong = isinstance(
        err, NotFound | NotSignedIn | InvalidRequest | InvalidManifest | ConfigurationError | _IN_THE_WAY
    )
    return WRONG_INPUT if wrong else FAILED


def reported(command: Callable[P, T]) -> Callable[P, T]:
    """Print a command's expected errors and turn them into an exit code. Goes below typer's own decorator."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except ParleyError as err:
            print(f"Error: {err.message}", file=sys.stderr)
            raise typer.Exit(exit_code(err)) from err
        except ValidationError as err:
            for problem in err.errors(include_url=False, include_input=False):
                name = "_".join(str(part) for part in problem["loc"])
                print(f"Error: PARLEY_{name.upper()}: {problem['msg'].removeprefix('Value error, ')}", file=sys.stderr)
            raise typer.Exit(WRONG_INPUT) from err

    return run
