"""Discovers the engines: every module or package of this package that defines ``ENGINE``."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterable, Mapping
from types import ModuleType

import app.engine
from app.engine.base import EngineFactory
from app.errors import ConfigurationError, MissingExtra
from app.models.engine_input import EngineInputs

EngineFactories = Mapping[str, EngineFactory]


@functools.cache
def find_factories() -> EngineFactories:
    """All engines by name. Raises :class:`ConfigurationError`, naming both files, for a duplicate name."""
    names = (module.name for module in pkgutil.iter_modules(app.engine.__path__, "app.engine."))
    return collect(importlib.import_module(name) for name in names)


def collect(modules: Iterable[ModuleType]) -> EngineFactories:
    """The engines among `modules`, by name."""
    found: dict[str, EngineFactory] = {}
    files: dict[str, str | None] = {}
    for module in modules:
        factory = getattr(module, "ENGINE", None)
        if not isinstance(factory, EngineFactory):
            continue
        if factory.name in found:
            raise ConfigurationError(
                f"Two engines are named {factory.name!r}: {files[factory.name]} and {module.__file__}. Rename one."
            )
        found[factory.name], files[factory.name] = factory, module.__file__
    return found


def engine_inputs(factories: EngineFactories | None = None) -> EngineInputs:
    """The kind of model that each engine loads, by its name: all engines found, and `factories` in addition."""
    return {name: factory.takes for name, factory in {**(factories or {}), **find_factories()}.items()}


def _missing(factory: EngineFactory) -> list[str]:
    return [module for module in factory.requires if importlib.util.find_spec(module) is None]


def factory_for(engine: str, factories: EngineFactories) -> EngineFactory:
    """The factory of `engine`. Raises :class:`MissingExtra` where its dependencies are not installed."""
    factory = factories.get(engine)
    missing = [] if factory is None else _missing(factory)
    if factory is not None and not missing:
        return factory
    known = factory or find_factories().get(engine)
    extra = known.extra if known else ""
    cure = f"Install it with `pip install 'parley-chat[{extra}]'`." if extra else "Choose another model."
    lacking = f" ({', '.join(missing)} is missing)" if missing else ""
    raise MissingExtra(f"This model needs the engine {engine!r}, which is not installed{lacking}. {cure}", extra=extra)
