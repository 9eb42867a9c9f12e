"""Finds the engines: every module or package here that has an ``ENGINE`` is one."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterable, Mapping
from types import ModuleType

import app.engine
from app.engine.base import EngineFactory
from app.errors import ConfigurationError, MissingExtra

EngineFactories = Mapping[str, EngineFactory]

# Engines that come with an extra, which is named for the module that it brings.
_EXTRAS = {"torch": "torch"}


def find_factories() -> EngineFactories:
    """All engines by name. Raises :class:`ConfigurationError`, naming both files, when two have the same."""
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


def factory_for(engine: str, factories: EngineFactories) -> EngineFactory:
    """The factory of `engine`. Raises :class:`MissingExtra`, also where what it runs on is not installed."""
    factory = factories.get(engine)
    missing = [] if factory is None else [m for m in factory.requires if importlib.util.find_spec(m) is None]
    if factory is not None and not missing:
        return factory
    extra = factory.extra if factory else _EXTRAS.get(engine)
    cure = f"Install it with `pip install 'parley-chat[{extra}]'`." if extra else "Choose another model."
    lacking = f" ({', '.join(missing)} is missing)" if missing else ""
    raise MissingExtra(f"This model needs the engine {engine!r}, which is not installed{lacking}. {cure}", extra=extra)
