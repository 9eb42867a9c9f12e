from __future__ import annotations

import importlib
import pkgutil

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

import app.api.routes
from app import errors
from app.api.deps import POLICIES
from app.api.errors import STATUSES, status_of


def _calls(dependant: Dependant) -> set[object]:
    return {dependant.call}.union(*(_calls(d) for d in dependant.dependencies))


def _routes() -> list[APIRoute]:
    names = [m.name for m in pkgutil.iter_modules(app.api.routes.__path__, "app.api.routes.")]
    routers = [importlib.import_module(name).router for name in names]
    return [r for router in routers for r in router.routes if isinstance(r, APIRoute)]


def test_every_route_declares_exactly_one_policy() -> None:
    routes = _routes()
    assert len(routes) > 20
    for route in routes:
        declared = [p for p in POLICIES if p in _calls(route.dependant)]
        assert len(declared) == 1, f"{route.path} declares {len(declared)} policies"


def _all(cls: type[errors.ParleyError]) -> list[type[errors.ParleyError]]:
    return [cls, *(found for sub in cls.__subclasses__() for found in _all(sub))]


def test_every_error_has_its_own_code_and_a_sensible_status() -> None:
    classes = [c for c in _all(errors.ParleyError) if c.__module__.startswith(errors.__name__)]
    codes = [c.code for c in classes]
    assert len(set(codes)) == len(codes)
    for cls in classes:
        assert 400 <= status_of(cls("…")) < 600
        assert cls.__name__ in (errors.__doc__ or "") or cls is errors.ParleyError
    assert set(STATUSES) <= set(classes)
