"""Interface of a kind of job, and how the kinds are found: every module with ``KIND`` in one of the given packages."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from app.errors import ConfigurationError
from app.jobs.context import JobContext

Run = Callable[[JobContext, Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of job: what :mod:`app.jobs.child` runs for it, in a process with low priority.

    `run` takes the job's parameters and returns its result, both JSON; it blocks. It polls ``context.cancelled`` (or
    calls ``context.check_cancelled``) several times a second and raises a :class:`~app.errors.ParleyError` to fail. A
    job that is resumed is run again with the same parameters, so `run` continues what is there or starts anew.
    The server imports the module too, so it must import heavy libraries inside `run` only.
    """

    name: str
    run: Run
    at_once: int = 1  # jobs of this kind that run at the same time; the others wait
    resumable: bool = True

    @property
    def module(self) -> str:
        """The module that defines it."""
        return self.run.__module__


Kinds = Mapping[str, JobKind]


def find_kinds(packages: Iterable[str]) -> Kinds:
    """The kinds in `packages`, by name. Raises :class:`ConfigurationError`, naming both modules, for a duplicate."""
    found: dict[str, JobKind] = {}
    for module in _modules(packages):
        kind = getattr(module, "KIND", None)
        if not isinstance(kind, JobKind):
            continue
        if kind.name in found:
            raise ConfigurationError(
                f"Two kinds of jobs are named {kind.name!r}: {found[kind.name].module} and {kind.module}. Rename one."
            )
        found[kind.name] = kind
    return found


def _modules(packages: Iterable[str]) -> Iterable[ModuleType]:
    for package in packages:
        paths = importlib.import_module(package).__path__
        for found in pkgutil.iter_modules(paths, f"{package}."):
            yield importlib.import_module(found.name)
