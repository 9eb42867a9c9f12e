"""Model families (prompt formats), one file each. A new family is a new file here that defines ``FAMILY``.

The subpackages contain model architectures for transformers. They need torch, and only engines import them.
"""

from __future__ import annotations

import importlib
import pkgutil

from app.errors import ConfigurationError
from app.families.base import Family

__all__ = ["Family", "load_families"]


def load_families(path: list[str] | None = None, package: str = __name__) -> dict[str, Family]:
    """All families by name, found by scanning this package (or another `package` at `path`).

    Subpackages are skipped: they contain architectures, whose imports are heavy.
    Raises :class:`ConfigurationError` for two files with the same name, naming both.
    """
    families: dict[str, Family] = {}
    origin: dict[str, str] = {}
    for module_info in sorted(pkgutil.iter_modules(path or __path__), key=lambda m: m.name):
        if module_info.name == "base" or module_info.ispkg:
            continue
        module = importlib.import_module(f"{package}.{module_info.name}")
        family = getattr(module, "FAMILY", None)
        file = str(module.__file__)
        if not isinstance(family, Family):
            raise ConfigurationError(f"{file} must define FAMILY, an app.families.Family.")
        if family.name in families:
            raise ConfigurationError(
                f"Two files define the family {family.name!r}: {origin[family.name]} and {file}. Rename or remove one.",
                family=family.name,
            )
        families[family.name] = family
        origin[family.name] = file
    return families
