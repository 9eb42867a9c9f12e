"""Import Gradio in two thirds of the time."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

_MODULE = "gradio.component_meta"


def import_gradio(folder: Path) -> ModuleType:
    """Import Gradio, which then sends no usage statistics, writes no stub files and keeps temporary files in `folder`.

    At each import it generates a ``.pyi`` file per component beside its own code, for editors. That takes a third of
    the time, and an installed package should not change while a server runs.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(folder.resolve())  # by default a folder that all users of the machine share
    finder = _WithoutStubFiles()
    sys.meta_path.insert(0, finder)
    try:
        import gradio
    finally:
        sys.meta_path.remove(finder)
    return gradio


class _WithoutStubFiles(MetaPathFinder):
    """Finds the module that writes the stub files, and takes that function out of it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _MODULE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            module.create_or_modify_pyi = lambda *_: None  # type: ignore[attr-defined]

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
