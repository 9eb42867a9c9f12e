"""Gradio is imported as it is, but for what it writes into its own folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
IMPORTING = """
import sys
from pathlib import Path
from frontends.gradio.quick_import import import_gradio
finders = list(sys.meta_path)
gradio = import_gradio(Path(sys.argv[1]))
from gradio.component_meta import ComponentMeta, create_or_modify_pyi
print(create_or_modify_pyi.__name__, type(gradio.Textbox) is ComponentMeta, sys.meta_path[-len(finders):] == finders)
"""


def test_no_stub_file_is_written(tmp_path: Path) -> None:
    command = [sys.executable, "-c", IMPORTING, str(tmp_path)]
    said = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True)
    assert said.stdout.split() == ["<lambda>", "True", "True"], said.stderr
